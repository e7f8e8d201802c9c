"""Whether what is installed is what this version of Meshseek was made for."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from meshseek import __version__
from meshseek.doctor.findings import Finding

PACKAGE: Final = "meshseek"
AGAIN: Final = "run: pip install --upgrade meshseek"
ENOUGH_CHARACTERS: Final = "椅子 – chair"
"""What output must be able to show."""


def look_at_install() -> Iterator[Finding]:
    """Its version, Python's, and those of what it depends on."""
    try:
        about = metadata(PACKAGE)
    except PackageNotFoundError:
        yield Finding("install", "problem", "the package is not installed, only its source is here", "run: make setup")
        return
    installed, wanted = about["Version"], (about["Requires-Python"] if "Requires-Python" in about else "")  # noqa: SIM401  # it has no 'get'
    if installed != __version__:
        text = f"the package says {installed}, and its code {__version__}"
        yield Finding("install", "warning", text, AGAIN)
    else:
        yield Finding("install", "ok", f"Meshseek {__version__}")
    python = platform.python_version()
    if SpecifierSet(wanted).contains(python):
        yield Finding("python", "ok", f"Python {python}")
    else:
        cure = "make a new environment with such a Python, and run: pip install meshseek"
        yield Finding("python", "problem", f"Python {python} is not {wanted}", cure)
    yield from _look_at_dependencies()


def _look_at_dependencies() -> Iterator[Finding]:
    wrong = 0
    needs = [need for line in requires(PACKAGE) or () if (need := _parsed(line)) is not None]
    for need in needs:
        try:
            found = version(need.name)
        except PackageNotFoundError:
            found = "missing"
        if found == "missing" or not need.specifier.contains(found, prereleases=True):
            wrong += 1
            text = f"{need.name} is {found}, and {need.specifier or 'any version'} is needed"
            yield Finding("packages", "problem", text, f'run: pip install "{need.name}{need.specifier}"')
    if not wrong:
        yield Finding("packages", "ok", f"all {len(needs)} that are needed, in versions that fit")


def _parsed(line: str) -> Requirement | None:
    """A package that is needed here, whatever extras are wanted; None where it is not."""
    try:
        need = Requirement(line)
    except InvalidRequirement:
        return None
    return need if need.marker is None or need.marker.evaluate({"extra": ""}) else None


def look_at_locale() -> Iterator[Finding]:
    """Whether Chinese can be printed, and file names read."""
    for what, encoding in (("output is", sys.stdout.encoding), ("file names are", sys.getfilesystemencoding())):
        try:
            ENOUGH_CHARACTERS.encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            cure = "set PYTHONUTF8=1, or LC_ALL=C.UTF-8"
            yield Finding("locale", "warning", f"{what} in {encoding}, which has no Chinese", cure)
            return
    yield Finding("locale", "ok", f"text is in {sys.stdout.encoding}")
