"""A wished size: how it is written, and how it moves assets of about that size up a ranking.

It is a preference, not a filter: what is a little larger or smaller loses a little. The measure is that of Holodeck's
retriever (Yang et al., CVPR 2024): of a hundred times the cosine, ten points are taken off for each metre by which the
sides differ on average. What ten points are worth depends on the model; here they are one deviation of the scores of
assets taken at random, with which other kinds of things hardly come up (docs/decisions/0019-sizes.md has the figures).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import pstdev

from meshseek.errors import QueryError
from meshseek.model import Ranked
from meshseek.search.phrases import quoted_spans
from meshseek.sizes import CM
from meshseek.untrusted.text import plain

SIZED = 100
"""So many of the ranking change places; what stands further down stays."""
PER_CM = 1.0 / CM
"""For each centimetre of the mean difference, in deviations of the scores of assets taken at random."""
SHORTEST, LONGEST = 0.01, 100_000.0
"""Centimetres."""
_UNITS = {"": 1.0, "cm": 1.0, "厘米": 1.0, "公分": 1.0, "mm": 0.1, "毫米": 0.1, "m": 100.0, "米": 100.0, "in": 2.54}
_SIDE = r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}|\?)\s*(mm|cm|m|in|厘米|公分|毫米|米)?"
_BY = r"\s*[x×*]\s*"
_SIZE = re.compile(f"{_SIDE}{_BY}{_SIDE}{_BY}{_SIDE}(?![a-z0-9]|{_BY})", re.IGNORECASE)
_CALLED = re.compile(r"(?<![A-Za-z])(?:size|尺寸|大小)\s*[≈~～≃]\s*", re.IGNORECASE)
_MOST = 80
_CURE = "write width x depth x height, such as 60x60x90, 0.6x0.6x0.9m, or ?x60x90 where one may be anything"

Sides = tuple[float, float, float]
"""Width, depth and height of an asset in centimetres; NaN where one is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What size an asset should be about, in centimetres. A side that is None may be anything.

    Raises:
        QueryError: On construction, when no side is given, or one is not between 0.1 mm and 1 km.
    """

    width: float | None = None
    depth: float | None = None
    height: float | None = None

    def __post_init__(self) -> None:
        given = [side for side in (self.width, self.depth, self.height) if side is not None]
        if not given:
            raise QueryError(f"the size has no side; {_CURE}")
        if not all(SHORTEST <= side <= LONGEST for side in given):
            raise QueryError("a side of the size is not between 0.1 mm and 1 km; check its unit, cm unless said")

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``60x60x90``, ``60 × 60 × 90 cm``, ``0.6x0.6x0.9m`` or ``?x60x90``.

        A unit at the end is that of all sides which have none of their own; without any they are centimetres.

        Raises:
            QueryError: It is none of these.
        """
        match = _SIZE.fullmatch(_plain(text).strip()) if len(text) <= _MOST else None
        if match is None:
            raise QueryError(f"'{plain(text)[:_MOST]}' is not a size; {_CURE}")
        return cls._of(match)

    @classmethod
    def _of(cls, match: re.Match[str]) -> Size:
        groups = match.groups(default="")
        last = groups[-1].lower()
        sides = [
            None if side == "?" else float(side) * _UNITS[unit.lower() or last]
            for side, unit in zip(groups[::2], groups[1::2], strict=True)
        ]
        width, depth, height = (None if side is None else round(side, 4) for side in sides)
        return cls(width=width, depth=depth, height=height)

    def __str__(self) -> str:
        return "x".join("?" if side is None else f"{side:.10g}" for side in (self.width, self.depth, self.height))

    def difference(self, sides: Sides) -> float:
        """By how many centimetres the given sides differ on average; NaN where the asset has not all of them.

        An asset may be turned about the vertical: width and depth are compared as they fit better.
        """
        width, depth, height = sides
        turned = (self._mean((width, depth, height)), self._mean((depth, width, height)))
        return min(turned, key=lambda mean: math.inf if math.isnan(mean) else mean)

    def _mean(self, sides: Sides) -> float:
        wished = (self.width, self.depth, self.height)
        differences = [abs(own - side) for own, side in zip(sides, wished, strict=True) if side is not None]
        return sum(differences) / len(differences)


def take_size(text: str) -> tuple[str, Size | None]:
    """The words without a size such as ``size≈60x60x90`` or ``尺寸~60x60x90``, and that size; quoted ones are words.

    Raises:
        QueryError: What follows is not a size, or there are two.
    """
    plain = _plain(text)
    quoted = quoted_spans(plain)
    called = [
        match for match in _CALLED.finditer(plain) if not any(low <= match.start() < high for low, high in quoted)
    ]
    if not called:
        return text, None
    if len(called) > 1:
        raise QueryError("the query has two sizes; leave out one of them")
    match = _SIZE.match(plain, called[0].end())
    if match is None:
        following = plain[called[0].start() : called[0].end() + _MOST // 2].strip()
        raise QueryError(f"'{following}' does not tell a size; {_CURE}")
    words = " ".join(f"{plain[: called[0].start()]} {plain[match.end() :]}".split())
    return words, Size._of(match)  # noqa: SLF001 - what is matched here is just what it reads


def size_terms(wished: Size, sizes: Sequence[Sides | None]) -> list[float]:
    """What the size adds to the score of each candidate, in deviations: nothing to one that fits, less to others.

    Args:
        wished: The size.
        sizes: Those of the candidates. One that is not known counts as the mean of the others, so that it is neither
            preferred nor set back; where none is known, all count the same.
    """
    differences = [math.nan if sides is None else wished.difference(sides) for sides in sizes]
    known = [difference for difference in differences if not math.isnan(difference)]
    mean = sum(known) / len(known) if known else 0.0
    return [-PER_CM * (mean if math.isnan(difference) else difference) for difference in differences]


def preferred(
    ranking: Sequence[Ranked], sizes: Mapping[str, Sides], wished: Size, deviation: float | None
) -> list[Ranked]:
    """The ranking with the first hundred in the order of their scores and sizes; those that are named stay first.

    Args:
        ranking: Best first.
        sizes: By asset id, of those that have any.
        wished: The size.
        deviation: Of the scores of assets taken at random; None takes that of the ranking's first hundred.
    """
    head = ranking[:SIZED]
    if deviation is None:
        deviation = pstdev(ranked.score for ranked in head) if len(head) > 1 else 0.0
    terms = size_terms(wished, [sizes.get(ranked.asset_id) for ranked in head])
    moved = [
        replace(ranked, score=ranked.score + deviation * term, parts={**ranked.parts, "size": deviation * term})
        for ranked, term in zip(head, terms, strict=True)
    ]
    moved.sort(key=lambda ranked: (not ranked.is_named, -ranked.score, ranked.asset_id))
    return [*moved, *ranking[SIZED:]]


def _plain(text: str) -> str:
    """Wide digits, letters and signs as usual ones."""
    return unicodedata.normalize("NFKC", text)
