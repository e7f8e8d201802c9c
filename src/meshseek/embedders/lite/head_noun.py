"""Which noun says what a thing is, in a name or a caption."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MOST_CHARACTERS: Final = 300
"""How much of a text is looked at: what it is about stands at its beginning."""
_ARTICLES: Final = frozenset({"a", "an", "the", "this", "these", "some", "two", "three", "four", "five", "several"})
_ABOUT: Final = frozenset(
    (
        *("model", "models", "rendering", "render", "representation", "depiction", "illustration", "image", "picture"),
        *("drawing", "scan", "reconstruction", "version", "view", "mesh", "object", "asset", "design"),
        *("pair", "group", "set", "collection", "series", "row", "stack", "pile", "bunch", "couple", "variety"),
        *("kind", "type", "sort", "piece"),
    )
)
"""Before ``of``, these say how a thing is shown or how many there are, not what it is."""
_STOPS: Final = frozenset(
    (
        *("of", "with", "without", "for", "in", "on", "at", "from", "by", "to", "into", "under", "over", "near"),
        *("inside", "behind", "between", "against", "around", "above", "below", "beside", "and", "or", "that"),
        *("which", "who", "is", "are", "has", "have", "having", "featuring", "containing", "including", "showing"),
        *("holding", "wearing", "made", "standing", "sitting", "surrounded", "covered", "attached", "mounted"),
    )
)
"""What follows them says something else about the thing."""
_COLOURS: Final = frozenset(
    ("white", "black", "red", "green", "blue", "yellow", "orange", "brown", "grey", "gray", "pink", "purple", "beige")
)
"""Before a noun they tell how a thing looks; a ``black cat`` is a marten to WordNet only."""
_LOOKS: Final = _COLOURS | frozenset(
    (
        *("gold", "golden", "silver", "dark", "light", "wooden", "metal", "metallic", "plastic", "glass"),
        *("stone", "brick", "leather", "concrete"),
    )
)
"""Colours and materials, which ``and`` joins before the noun."""
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def words_up_to_head(text: str) -> Sequence[str]:
    """The words of a name or caption that end with the noun for the thing itself, in lower case.

    ``A 3D model of a small red house with a roof`` gives ``small house``; ``Armchair, seat, living room`` gives
    ``armchair``; file names such as ``OfficeChair_02`` are taken apart.
    """
    first = re.split(r"[,;.:(]", text[:MOST_CHARACTERS].strip(), maxsplit=1)[0]
    words = [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", first.replace("_", " ")))]
    words = [word for word in words if len(word) > 1 or word == "a"]
    while "of" in words and words.index("of") > 0 and words[words.index("of") - 1] in _ABOUT:
        words = words[words.index("of") + 1 :]
    while words and words[0] in _ARTICLES:
        words = words[1:]
    end = next((number for number in range(1, len(words)) if _is_end(words, number)), len(words))
    kept = [word for word in words[: end - 1] if word not in _COLOURS]
    return [*kept, *words[end - 1 : end]]


def _is_end(words: Sequence[str], number: int) -> bool:
    """Whether what stands here, and after, says something else about the thing."""
    joins_looks = words[number] == "and" and words[number - 1] in _LOOKS
    return words[number] in _STOPS and not joins_looks
