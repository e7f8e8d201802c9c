"""The everyday nouns that come with Meshseek."""

from __future__ import annotations

from importlib import resources
from typing import Final

NOUNS_FILE: Final = "everyday_nouns.txt"


def everyday_nouns() -> list[tuple[str, str]]:
    """Each noun in English and in Chinese."""
    pairs = (line.rsplit(maxsplit=1) for line in lines_of(__package__, NOUNS_FILE))
    return [(english, chinese) for english, chinese in pairs]


def lines_of(package: str, file: str) -> list[str]:
    """The lines of a text file that comes with a package, without its comments."""
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]
