"""What is installed: declared, locked, and nothing else imported."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.source_copy import ROOT, copied_source

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = {"run": (), "dev": ("siglip", "qwen", "dev"), "bench": ("siglip", "qwen", "dev", "bench")}
"""The extras that each lock is for."""
PIN = re.compile(r"^(\S.*?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)
ONLY_CUDA = re.compile(r"nvidia-|cuda-|triton$")


def declared(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for, with these extras."""
    project = PROJECT["project"]
    lines = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    lines += [line for extra in extras for line in project["optional-dependencies"][extra]]
    return [needed for line in lines if canonicalize_name((needed := Requirement(line)).name) != project["name"]]


def pins(text: str) -> dict[str, str]:
    """Name and version of each line ``name==version``."""
    found = [Requirement(line) for line in re.findall(r"^[a-z0-9].*?==.*?(?= \\$|$)", text, re.MULTILINE)]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in found}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_satisfies_the_project(name: str) -> None:
    """Each declared dependency, and what the build needs, is pinned to a version that pyproject.toml allows."""
    versions = pins((ROOT / "requirements" / f"{name}.lock").read_text("utf-8"))
    versions |= pins((ROOT / "requirements" / "torch.txt").read_text("utf-8"))

    locked = [(need, versions.get(canonicalize_name(need.name), "0")) for need in declared(*LOCKS[name])]
    refused = [f"{need}: {version}" for need, version in locked if not need.specifier.contains(version)]
    assert refused == [], "run: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_nothing_but_pins_with_hashes(name: str) -> None:
    """No address, no path, no version without a hash, and nothing that depends on the build of torch."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text("utf-8")
    names = [Requirement(line).name for line, _ in PIN.findall(text)]

    rest = PIN.sub("", text).splitlines()
    assert [line for line in rest if not line.startswith("#")] == []
    assert "://" not in text
    assert "torch" not in names
    assert [package for package in names if ONLY_CUDA.match(package)] == []


def test_the_locks_agree() -> None:
    """A version is the same in each lock that has it: what users run is what was tested."""
    run, dev, bench = (pins((ROOT / "requirements" / f"{name}.lock").read_text("utf-8")) for name in LOCKS)

    assert run.items() <= dev.items() <= bench.items()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project that may be changed."""
    copied_source(tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def deptry(project: Path) -> subprocess.CompletedProcess[str]:
    """Run the check as ``make check`` does."""
    program = str(Path(sys.executable).with_name("deptry"))
    return subprocess.run(
        [program, "--no-ansi", "src"], cwd=project, capture_output=True, text=True, check=False, timeout=120
    )


def test_what_is_imported_is_declared(copy: Path) -> None:
    """The check passes."""
    told = deptry(copy)

    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("import nowhere_to_be_had", "DEP001 'nowhere_to_be_had' imported but missing"),
        ("import idna", "DEP003 'idna' imported but it is a transitive dependency"),
        ("import hypothesis", "DEP004 'hypothesis' imported but declared as a dev dependency"),
    ],
)
def test_an_import_that_is_not_declared_is_reported(copy: Path, statement: str, told: str) -> None:
    """Neither what is missing, nor what only others need, nor what only tests need may be imported."""
    with (copy / "src" / "meshseek" / "search" / "fusion.py").open("a") as source:
        source.write(f"\n{statement}\n")
    done = deptry(copy)

    assert done.returncode == 1
    assert told in done.stderr


def test_a_dependency_that_is_not_used_is_reported(copy: Path) -> None:
    """A declared package that nothing imports fails the check."""
    project = copy / "pyproject.toml"
    project.write_text(
        project.read_text("utf-8").replace("dependencies = [\n", 'dependencies = [\n    "idna>=2",\n', 1)
    )
    done = deptry(copy)

    assert done.returncode == 1
    assert "DEP002 'idna' defined as a dependency but not used" in done.stderr


@pytest.mark.parametrize("name", ["lowest", "newest"])
def test_a_python_that_is_not_there_is_told(name: str) -> None:
    """One line says which Python is missing and how to give another; nothing is installed for it."""
    told = subprocess.run(
        [
            "make",
            "--no-print-directory",
            "-o",
            ".venv/.installed-dev",
            f"test-{name}",
            f"PYTHON_{name.upper()}=python3.0",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert told.returncode != 0
    assert told.stdout == (
        f"python3.0 does not run here; install it, or give its path: make test-{name} PYTHON_{name.upper()}=PATH\n"
    )
