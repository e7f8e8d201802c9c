"""The nouns of WordNet 3.0, read from its database files (wndb(5WN))."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LEXICOGRAPHER_FILES: Final = (
    *("Tops", "act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event", "feeling"),
    *("food", "group", "location", "motive", "object", "person", "phenomenon", "plant", "possession", "process"),
    *("quantity", "relation", "shape", "state", "substance", "time"),
)
"""Of nouns, from the third file on."""
_FIRST_NOUN_FILE: Final = 3
_EXAMPLE: Final = re.compile(r"[;:,]?\s*\"")
_HYPERNYM, _INSTANCE_OF = "@", "@i"


@dataclass(slots=True, kw_only=True)
class Synset:
    """One meaning of one or several nouns."""

    offset: str
    kind: str
    """The lexicographer file."""
    lemmas: list[str]
    """The most usual one first, words apart by blanks."""
    definition: str
    """Without examples."""
    hypernyms: list[str]
    """Offsets of what it is a kind of, or an instance of."""
    is_instance: bool
    ranks: dict[str, int] = field(default_factory=dict)
    """How many meanings of each lemma are more usual."""


def read_nouns(folder: Path) -> dict[str, Synset]:
    """The meanings of all nouns by their offsets, in the order of the file.

    Args:
        folder: Holds ``data.noun`` and ``index.noun``.
    """
    synsets = {synset.offset: synset for synset in _synsets(folder / "data.noun")}
    for lemma, offsets in _index(folder / "index.noun"):
        for rank, offset in enumerate(offsets):
            synsets[offset].ranks[lemma] = rank
    return synsets


def first_words(synset: Synset, synsets: dict[str, Synset], steps: int) -> list[str]:
    """The first lemma of each of so many hypernyms, the nearest first."""
    words: list[str] = []
    while synset.hypernyms and len(words) < steps:
        synset = synsets[synset.hypernyms[0]]
        words.append(synset.lemmas[0])
    return words


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if not line.startswith("  "))  # the licence stands first


def _synsets(path: Path) -> Iterator[Synset]:
    for line in _lines(path):
        fields, _, gloss = line.partition(" | ")
        offset, number, _, count, *rest = fields.split()
        words = 2 * int(count, 16)
        pointers = rest[words + 1 :]
        targets = defaultdict(list)
        for symbol, target, part in zip(pointers[::4], pointers[1::4], pointers[2::4], strict=False):
            if part == "n":
                targets[symbol].append(target)
        yield Synset(
            offset=offset,
            kind=LEXICOGRAPHER_FILES[int(number) - _FIRST_NOUN_FILE],
            lemmas=[word.replace("_", " ") for word in rest[:words:2]],
            definition=_EXAMPLE.split(gloss.strip(), maxsplit=1)[0].strip(" ;"),
            hypernyms=targets[_HYPERNYM] or targets[_INSTANCE_OF],
            is_instance=bool(targets[_INSTANCE_OF]),
        )


def _index(path: Path) -> Iterator[tuple[str, list[str]]]:
    for line in _lines(path):
        lemma, _, count, *rest = line.split()
        yield lemma.replace("_", " "), rest[-int(count) :]
