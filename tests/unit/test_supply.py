"""What Meshseek is made of: advisories, licences, secrets, and the bill of materials."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from scripts import supply

WEAK = {
    "name": "pillow",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}, {"id": "PYSEC-2", "fix_versions": []}],
}
SOUND = {"name": "click", "version": "8.5.1", "vulns": []}
UNASKED = {"name": "anyio", "skip_reason": "Dependency not found on PyPI and could not be audited: anyio (4.16.0)"}
TABLE = {"allowed": ["MIT", "Apache-2.0", "BSD License"], "read": {"quiet": "MIT", "odd": "GPL-3.0-only"}}


def package(expression: str = "UNKNOWN", classifier: str = "UNKNOWN", text: str = "UNKNOWN") -> dict[str, str]:
    """What pip-licenses says of one."""
    return {"License-Expression": expression, "License-Classifier": classifier, "License-Metadata": text}


def test_a_known_weakness_is_refused() -> None:
    """Each advisory is named with the versions that mend it."""
    with pytest.raises(supply.Refused) as refused:
        supply.judge_advisories([SOUND, WEAK])

    first, second, cure = str(refused.value).splitlines()
    assert first == "pillow 1.0: PYSEC-1, mended in 1.1, 2.0"
    assert second == "pillow 1.0: PYSEC-2, mended in no version yet"
    assert "make lock" in cure


def test_what_was_not_audited_is_told() -> None:
    """A service that does not know a package has not said that it is sound."""
    assert supply.judge_advisories([SOUND]) == "1 packages without a known weakness"
    assert supply.judge_advisories([SOUND, UNASKED]).endswith("; the advisory service does not know 1 others")
    assert supply.judge_advisories([UNASKED]).endswith("nothing was audited")


@pytest.mark.parametrize("failure", ["late", "offline", "silent"])
def test_no_network_is_told_and_no_failure(monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """Nobody answers in time, nobody answers, or the program ends without a word: one line says it."""

    def run(line: list[str], seconds: float | None = None) -> subprocess.CompletedProcess[str]:
        if failure == "late":
            raise subprocess.TimeoutExpired(line, seconds or 0)
        said = "long ago\nERROR: pip_audit: Failed to connect to PyPI" if failure == "offline" else ""
        return subprocess.CompletedProcess(line, 1, "", said)

    monkeypatch.setattr(supply, "_run", run)

    told = supply.audit()

    assert len(told.splitlines()) == 1
    assert told.endswith("nothing was audited")


def test_licences_that_are_allowed() -> None:
    """An expression, a list of classifiers, a name of its own, and one that was read in the files."""
    packages = {
        "one": package("(MIT OR Apache-2.0) AND Apache-2.0 WITH LLVM-exception"),
        "two": package(classifier="BSD License; MIT"),
        "three": package(text="MIT\n\nPermission is granted"),
        "quiet": package(),
    }
    assert supply.judge_licences(packages, TABLE) == "4 packages under licences that are allowed"


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (package("GPL-3.0-only"), "GPL-3.0-only"),
        (package("MIT AND GPL-3.0-only"), "GPL-3.0-only"),
        (package("MIT", classifier="GPL"), None),
        (package(classifier="MIT; Other/Proprietary License"), "Other/Proprietary License"),
        (package(), "UNKNOWN"),
    ],
)
def test_another_licence_is_refused(said: dict[str, str], named: str | None) -> None:
    """Whatever is not in the list, and what says nothing; SPDX counts before classifiers."""
    if named is None:
        supply.judge_licences({"new": said}, TABLE)
        return
    with pytest.raises(supply.Refused, match=f"new: {named}"):
        supply.judge_licences({"new": said}, TABLE)


def test_what_was_read_counts() -> None:
    """A package's licence that was read in its files must be allowed as well."""
    with pytest.raises(supply.Refused, match="odd: GPL"):
        supply.judge_licences({"odd": package("MIT")}, TABLE)


def test_a_new_secret_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A key that was written into a file is found, by its line; none is shown."""
    key = "AKIA" + "QYLPMN5HFIQR7XYA"
    (tmp_path / "settings.py").write_text(f'first = 1\naws = "{key}"\n', "utf-8")
    monkeypatch.setattr(supply, "_files", lambda: [str(tmp_path / "settings.py")])

    with pytest.raises(supply.Refused) as refused:
        supply.secrets()

    assert "settings.py:2" in str(refused.value)
    assert key not in str(refused.value)


def test_the_bill_of_materials_is_that_of_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every locked package and torch are in it; made again, it has the same bytes."""
    monkeypatch.setattr(supply, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_bytes((Path(supply.__file__).parents[1] / "pyproject.toml").read_bytes())
    made = []
    for name in ("one", "two"):
        monkeypatch.setattr(supply, "SBOM", tmp_path / name / "sbom.json")
        told = supply.sbom()
        made.append((tmp_path / name / "sbom.json").read_bytes())

    assert made[0] == made[1]
    wanted = supply.pinned("run.lock", "torch.txt")
    assert "torch" in wanted
    assert told.startswith(f"{len(wanted)} components")
    assert all(f'"name": "{name}"'.encode() in made[0].lower() for name in ("torch", "psycopg", "gradio"))
