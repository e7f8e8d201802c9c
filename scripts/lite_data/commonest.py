"""The nouns that are used most, by the texts in which WordNet counted meanings (cntlist(5WN))."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

MOST: Final = 2000
HEADER: Final = (
    "The 2,000 nouns that are used most in the texts on which WordNet 3.0 counts senses (cntlist.rev), by make\n"
    "lite-data: what queries may be about beside things. Any change here changes when nothing is close.\n"
)
_NOUN: Final = "1"


def common_nouns(path: Path) -> list[str]:
    """The commonest first; those used alike by the alphabet."""
    counts: Counter[str] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        sense, _, count = line.split()
        lemma, _, rest = sense.partition("%")
        if rest.startswith(_NOUN):
            counts[lemma.replace("_", " ")] += int(count)
    return sorted(counts, key=lambda lemma: (-counts[lemma], lemma))[:MOST]


def write_nouns(path: Path, nouns: list[str], notice: str) -> None:
    """Write one noun a line, after the notice."""
    comments = [f"# {line}".rstrip() for line in f"{HEADER}\n{notice}".splitlines()]
    path.write_text("\n".join([*comments, *nouns, ""]), encoding="utf-8")
