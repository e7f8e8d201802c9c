"""What nouns mean: a table made from WordNet 3.0 (Miller, 1995; Fellbaum, 1998) by ``make lite-data``.

It is read when the first document needs it: a service does so when a search is explained, and not before.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

GLOSSES_FILE: Final = "glosses.tsv.xz"
LEMMAS_SHOWN: Final = 3
MOST_SENSES: Final = 10
"""Of a noun, the most usual ones; few have more."""
LONGEST: Final = 4
"""Words of the longest noun that is looked up."""
_ENDINGS: Final = (
    *(("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh")),
    *(("ves", "f"), ("ves", "fe"), ("ies", "y"), ("s", "")),
)
"""Of regular plurals, as in WordNet's own morphy, and what the singular has instead."""


class Sense(NamedTuple):
    """One meaning of a noun."""

    gloss: str
    """Lemmas and definition, such as ``chair: a seat for one person, with a support for the back``."""
    wider: str
    """What it is a kind of, such as ``seat, furniture``."""
    kind: str
    """WordNet's lexicographer file, such as ``artifact``."""
    rank: int
    """How many meanings of the noun are more usual."""
    is_single: bool
    """Whether it is one thing, such as the Eiffel Tower, and not a kind."""


class Glosses:
    """Nouns with their meanings.

    Args:
        lines: Of the table; comments are passed over.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._senses: dict[str, list[tuple[int, int]]] = {}
        self._plurals: dict[str, str] = {}
        for number, line in enumerate(lines):
            kind, _, rest = line.partition("\t")
            if "\t" not in rest:
                self._plurals[kind] = rest
                continue
            for lemma, rank in _lemmas(line.split("\t")[2]):
                self._senses.setdefault(lemma.lower(), []).append((rank, number))

    def senses(self, noun: str) -> list[Sense]:
        """The meanings of a noun in the singular, the most usual first."""
        return [self._sense(number, rank) for rank, number in sorted(self._senses.get(noun, ()))[:MOST_SENSES]]

    def noun_at_end(self, words: Sequence[str]) -> str | None:
        """The longest noun that words in lower case end with; where they end with none, a noun further left.

        Nouns of several words are also found joined, or with a hyphen, as ``lip stick`` is ``lipstick``.
        """
        for end in range(len(words), 0, -1):
            for start in range(max(0, end - LONGEST), end):
                for noun in _spellings(words[start:end]):
                    singular = self._singular(noun)
                    if singular is not None:
                        return singular
        return None

    def _singular(self, noun: str) -> str | None:
        if noun in self._senses:
            return noun
        head, _, last = noun.rpartition(" ")
        lead = f"{head} " if head else ""
        ends = [self._plurals[last]] if last in self._plurals else []
        ends += [last.removesuffix(plural) + one for plural, one in _ENDINGS if last.endswith(plural)]
        return next((lead + end for end in ends if lead + end in self._senses), None)

    def _sense(self, number: int, rank: int) -> Sense:
        kind, single, lemmas, definition, wider = self._lines[number].split("\t")
        shown = ", ".join(lemma for lemma, _ in list(_lemmas(lemmas))[:LEMMAS_SHOWN])
        return Sense(f"{shown}: {definition}", wider, kind, rank, bool(single))


@cache
def load_glosses() -> Glosses:
    """The table that comes with ``lite``; it takes half a second and about 40 MB."""
    packed = resources.files(__package__).joinpath(GLOSSES_FILE).read_bytes()
    lines = lzma.decompress(packed).decode().splitlines()
    return Glosses([line for line in lines if not line.startswith("#")])


def _lemmas(column: str) -> Iterator[tuple[str, int]]:
    for pair in column.split("|"):
        lemma, _, rank = pair.rpartition("=")
        yield lemma, int(rank)


def _spellings(words: Sequence[str]) -> list[str]:
    spaced = " ".join(words)
    if len(words) == 1:
        return [spaced, spaced.replace("-", " "), spaced.replace("-", "")] if "-" in spaced else [spaced]
    return [spaced, "-".join(words), "".join(words)]
