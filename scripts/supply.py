"""Looks after what Meshseek is made of: known weaknesses, licences, secrets, and a bill of materials.

``python scripts/supply.py audit licences secrets`` checks, in one line each; ``sbom`` writes ``build/sbom.json``;
``baseline`` accepts what looks like a secret now. ``make check`` and ``make sbom`` call it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
BIN: Final = Path(sys.executable).parent
REQUIREMENTS: Final = ROOT / "requirements"
LICENCES: Final = REQUIREMENTS / "licences.toml"
BASELINE: Final = ROOT / ".secrets.baseline"
SBOM: Final = ROOT / "build" / "sbom.json"
AUDIT_SECONDS: Final = 45
"""Longer than the advisory service takes for all packages; then the audit is given up."""
PINNED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)
HASHES: Final = re.compile(r" \\\n +--hash=\S+")
NO_SECRETS_IN: Final = r"(\.lock|\.npy|\.xz|\.gz|\.png|\.csv|openapi\.json|\.secrets\.baseline)$"
"""Hashes, data and pictures, a file that is made from the code, and the list of what was accepted."""
UPDATED_LINES: Final = 3
"""How detect-secrets' hook ends where known secrets have only moved to other lines."""


class Refused(Exception):  # noqa: N818  # a check that did not pass is no error of the program
    """What was looked at may not stay so; the message says what, and what to do."""


def pinned(*files: str) -> set[str]:
    """Names of the packages that files of requirements pin, normalised."""
    return {normal(name) for file in files for name in PINNED.findall((REQUIREMENTS / file).read_text("utf-8"))}


def normal(name: str) -> str:
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def audit() -> str:
    """Ask for advisories on every locked version; says so where nobody answers."""
    with tempfile.TemporaryDirectory() as folder:
        locked = _all_requirements(Path(folder), "dev.lock", hashes=False)
        line = [*_tool("pip-audit"), "-r", str(locked), "--no-deps", "--disable-pip", "--format", "json"]
        try:
            ended = _run([*line, "--progress-spinner", "off", "--timeout", "5"], seconds=AUDIT_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the advisory service did not answer in {AUDIT_SECONDS} s; nothing was audited"
    try:
        packages: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (ValueError, LookupError):
        reason = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return f"the advisory service cannot be asked ({reason[:200]}); nothing was audited"
    return judge_advisories(packages)


def judge_advisories(packages: Iterable[Mapping[str, Any]]) -> str:
    """Say what pip-audit's answer means.

    Raises:
        Refused: A package has a known weakness.
    """
    weak, audited, unknown = [], 0, 0
    for package in packages:
        if "skip_reason" in package:
            unknown += 1
            continue
        audited += 1
        for advisory in package["vulns"]:
            cure = ", ".join(advisory.get("fix_versions", ())) or "no version yet"
            weak.append(f"{package['name']} {package['version']}: {advisory['id']}, mended in {cure}")
    if weak:
        raise Refused("\n".join([*weak, "take newer versions: make lock ARGS=--upgrade"]))
    if not audited:
        return f"the advisory service knows none of {unknown} packages; nothing was audited"
    others = f"; the advisory service does not know {unknown} others" if unknown else ""
    return f"{audited} packages without a known weakness{others}"


def licences() -> str:
    """See that every locked package has a licence that is allowed."""
    table = tomllib.loads(LICENCES.read_text("utf-8"))
    ended = _run([*_tool("pip-licenses"), "--format=json", "--from=all", "--with-system"])
    installed = {normal(package["Name"]): package for package in json.loads(ended.stdout)}
    wanted = pinned("dev.lock", "torch.txt")
    return judge_licences({name: installed[name] for name in sorted(wanted & installed.keys())}, table)


def judge_licences(packages: Mapping[str, Mapping[str, str]], table: Mapping[str, Any]) -> str:
    """Compare the licences of packages with those that are allowed.

    Args:
        packages: What pip-licenses says of each, by its normalised name.
        table: ``allowed``, and ``read``: the licences of packages that do not say it themselves.

    Raises:
        Refused: A licence is not allowed, or not known.
    """
    refused = []
    for name, package in packages.items():
        said = table["read"].get(name) or licence_of(package)
        if bad := [one for one in names_in(said) if one not in table["allowed"]]:
            refused.append(f"{name}: {', '.join(bad)}")
    if refused:
        cure = f"use another package, or add to {LICENCES.relative_to(ROOT)} what was read and may be"
        raise Refused("\n".join([*refused, cure]))
    return f"{len(packages)} packages under licences that are allowed"


def licence_of(package: Mapping[str, str]) -> str:
    """What a package says of its licence: SPDX if it can, else its classifiers, else a free line."""
    fields = ("License-Expression", "License-Classifier", "License-Metadata")
    said = (package[field].strip().partition("\n")[0] for field in fields)
    return next((one for one in said if one and one != "UNKNOWN"), "UNKNOWN")


def names_in(expression: str) -> list[str]:
    """The licences in an expression of SPDX, or in a list of classifiers; each of them must be allowed."""
    plain = re.sub(r" WITH [\w.-]+", "", expression)
    if "(" in plain and (" AND " in plain or " OR " in plain):
        plain = plain.replace("(", "").replace(")", "")
    return [one.strip() for one in re.split(r" AND | OR |; ", plain)]


def secrets() -> str:
    """Look for keys and passwords in every file of the repository, but for those that were accepted."""
    files = _files()
    if not files:
        return "this is no checkout of git; nothing was looked at"
    with tempfile.TemporaryDirectory() as folder:
        known = Path(shutil.copy(BASELINE, folder))  # the hook writes moved lines into it
        ended = _run([*_tool("detect-secrets-hook"), "--no-verify", "--baseline", str(known), *files])
    if ended.returncode not in (0, UPDATED_LINES):
        cure = "take it out; if it is none, run: python scripts/supply.py baseline"
        raise Refused(f"{(ended.stdout or ended.stderr).strip()}\n{cure}")
    return f"{len(files)} files without a new secret"


def baseline() -> str:
    """Accept what looks like a secret now."""
    ended = _run([*_tool("detect-secrets"), "scan", "--no-verify", "--exclude-files", NO_SECRETS_IN, *_files()])
    BASELINE.write_text(ended.stdout, "utf-8")
    return f"{sum(map(len, json.loads(ended.stdout)['results'].values()))} known, in {BASELINE.name}"


def sbom() -> str:
    """Write what an installation is made of, in CycloneDX; the same lock gives the same bytes."""
    SBOM.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        locked = _all_requirements(Path(folder), "run.lock")
        options = ("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--of", "JSON")
        ended = _run([*_tool("cyclonedx-py"), "requirements", *options, "-o", str(SBOM), str(locked)])
    if ended.returncode:
        raise Refused(ended.stderr.strip())
    return f"{len(json.loads(SBOM.read_bytes())['components'])} components in {SBOM.relative_to(ROOT)}"


def _all_requirements(folder: Path, lock: str, *, hashes: bool = True) -> Path:
    """A lock and torch, which is pinned by itself and without a hash, as one file."""
    text = "\n".join((REQUIREMENTS / file).read_text("utf-8") for file in (lock, "torch.txt"))
    file = folder / "requirements.txt"
    file.write_text(text if hashes else HASHES.sub("", text), "utf-8")
    return file


def _files() -> list[str]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return []
    listed = [name for name in _run([git, "ls-files", "-z"]).stdout.split("\0") if name]
    return [name for name in listed if not re.search(NO_SECRETS_IN, name) and (ROOT / name).is_file()]


def _tool(name: str) -> list[str]:
    return [str(BIN / name)]


def _run(line: list[str], seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds)


TASKS: Final[Mapping[str, Callable[[], str]]] = {
    task.__name__: task for task in (audit, licences, secrets, baseline, sbom)
}


def main(names: list[str]) -> int:
    """Carry out tasks one after the other; a refused one makes the exit status 1."""
    if not names or set(names) - TASKS.keys():
        print(f"usage: python scripts/supply.py {' | '.join(TASKS)} ...", file=sys.stderr)
        return 2
    status = 0
    for name in names:
        try:
            print(f"{name}: {TASKS[name]()}")
        except Refused as refused:
            status = 1
            print(f"{name}: refused\n{refused}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
