"""Writes the table of glosses that ``lite`` reads (``meshseek/embedders/lite/glosses.py``)."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wordnet import Synset, first_words

NAMED_THINGS: Final = {"artifact", "object", "animal", "plant", "food"}
"""Kinds of which single ones may have been modelled, such as the Eiffel Tower; of persons and places there are too many
that have the name of a thing."""
PHYSICAL: Final = {*NAMED_THINGS, "body", "person", "shape", "substance", "Tops"}
"""Kinds that a 3D asset may be of. Meanings of other kinds were hardly ever chosen, and took as much room again."""
HYPERNYMS: Final = 2
_BINOMIAL: Final = re.compile(r"[A-Z][a-z-]+ [a-z-]+")
_TAXON: Final = re.compile(
    r"\b(genus|family|order|phylum|suborder|subfamily|class|subclass|division)\b (of|containing|in|comprising)"
    r"|^(type |a |large |small )?genus\b"
)
"""Groups of living things: nobody calls a model by their names, nor by the Latin ones of species."""


def rows(synsets: dict[str, Synset], plurals: dict[str, str]) -> Iterator[str]:
    """A line a meaning: kind, ``*`` for a single thing, lemmas with ranks, definition, hypernyms; then plurals."""
    for synset in synsets.values():
        names = names_of(synset)
        if not names or synset.kind not in PHYSICAL or (synset.is_instance and synset.kind not in NAMED_THINGS):
            continue
        lemmas = "|".join(f"{lemma}={synset.ranks.get(lemma.lower(), 0)}" for lemma in names)
        wider = ", ".join(first_words(synset, synsets, HYPERNYMS))
        definition = synset.definition.split(";")[0]  # what follows are remarks
        yield "\t".join((synset.kind, "*" if synset.is_instance else "", lemmas, definition, wider))
    for plural, singular in sorted(plurals.items()):
        yield f"{plural}\t{singular}"


def names_of(synset: Synset) -> list[str]:
    """What somebody would call a thing of this meaning; none for groups of living things."""
    if synset.kind not in {"animal", "plant"}:
        return synset.lemmas
    if _TAXON.search(synset.definition.split(";")[0]):
        return []
    return [lemma for lemma in synset.lemmas if not _BINOMIAL.match(lemma)]


def read_plurals(folder: Path) -> dict[str, str]:
    """Irregular plurals of one word from ``noun.exc``."""
    lines = (folder / "noun.exc").read_text(encoding="utf-8").splitlines()
    return {plural: singular for plural, singular, *_ in map(str.split, lines) if "_" not in plural}


def write_table(path: Path, lines: Iterator[str], notice: str) -> None:
    """Write the lines, after the notice, packed; the same lines are the same bytes."""
    header = f"The nouns of WordNet 3.0 and what they mean, by make lite-data.\n\n{notice}"
    commented = [f"# {line}".rstrip() for line in header.splitlines()]
    path.write_bytes(lzma.compress("\n".join([*commented, *lines, ""]).encode(), preset=9))
