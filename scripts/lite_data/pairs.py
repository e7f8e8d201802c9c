"""What the query matrix learns from: descriptions of things, each with the name of the thing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from wordnet import Synset

FEWEST_WORDS: Final = 2
MOST_WORDS: Final = 12
_STARTS: Final = re.compile(
    r"\b(?:used (?:for|to|in|as)\b|for \w+ing\b|(?:that|which)\b|(?:in|with|on|from|into) which\b|to \w+)"
)
_ENDS: Final = re.compile(r"[;:,()]")


class Pair(NamedTuple):
    """A description and a name."""

    description: str
    name: str
    synset: str
    """The offset of what they mean."""


def pairs_of(synsets: Iterable[Synset]) -> Iterator[Pair]:
    """Each definition with its first lemma, and the parts of definitions that say what a thing is for or does."""
    for synset in synsets:
        name = synset.lemmas[0]
        yield Pair(synset.definition, name, synset.offset)
        for fragment in _fragments(synset.definition):
            yield Pair(fragment, name, synset.offset)


def _fragments(definition: str) -> Iterator[str]:
    seen = {definition}
    for part in _ENDS.split(definition):
        for start in _STARTS.finditer(part):
            fragment = part[start.start() :].strip()
            if FEWEST_WORDS <= len(fragment.split()) <= MOST_WORDS and fragment not in seen:
                seen.add(fragment)
                yield fragment
