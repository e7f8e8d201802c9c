"""The parts of a combined query: what is wanted, what is not wanted, and how much each of them counts."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from meshseek.errors import QueryError
from meshseek.language import as_name
from meshseek.model import Language
from meshseek.search.caching import picture_key
from meshseek.search.filters import shown

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PARTS = 8
"""Each wanted one is a search of its own."""
MAX_PICTURES = 4
MAX_WEIGHT = 100.0
_DIGITS = 12
"""Of a share: weights that are all multiplied by the same are to give the same shares, however they are rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPart:
    """One thing that is wanted, or not wanted.

    Raises:
        QueryError: On construction, when it is not one thing, or its weight is out of bounds.
    """

    text: str | None = None
    image: Image | None = None
    asset_id: str | None = None
    """What is like this asset."""
    weight: float = 1.0
    """How much it counts beside the others: below 0 it is not wanted, and with 0 it is as if it were not there."""
    language: Language | None = None
    """Of the text; None tells it by the script."""

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.text, self.image, self.asset_id)) != 1:
            raise QueryError("a part of the query must be one of: a text, a picture, the id of an asset")
        if not abs(self.weight) <= MAX_WEIGHT:  # which NaN is not either
            raise QueryError(
                f"the weight of {self.called} is {self.weight:g}; choose -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}"
            )

    @property
    def called(self) -> str:
        """How a message names it."""
        if self.image is not None:
            return "a picture"
        return f"'{shown(self.text or self.asset_id or '')}'"

    @property
    def key(self) -> tuple[str, Hashable, str]:
        """The same for parts that ask the same."""
        if self.image is not None:
            return "image", picture_key(self.image), ""
        if self.asset_id is not None:
            return "asset", self.asset_id, ""
        return "text", as_name(self.text or ""), self.language or ""


class Shared(NamedTuple):
    """Parts that ask the same, as one."""

    part: QueryPart
    """One of them, whose weight is of no account."""
    weight: float
    """What they count: of all parts, those above 0 add up to 1, and none is below ``-MAX_WEIGHT``."""
    places: tuple[int, ...]
    """Which of the parts these are, from 1 on."""


def shares(parts: Sequence[QueryPart]) -> list[Shared]:
    """What each part counts, in an order that is not the caller's; those without a weight are left out.

    Raises:
        QueryError: There are too many, or what they ask contradicts itself.
    """
    expect_few(len(parts), sum(part.image is not None for part in parts))
    same: dict[tuple[str, Hashable, str], dict[int, QueryPart]] = {}
    for place, part in enumerate(parts, 1):
        if part.weight:
            same.setdefault(part.key, {})[place] = part
    groups = [same[key] for key in sorted(same, key=repr)]
    sums = [_weight(list(group.values())) for group in groups]
    if not sums:
        raise QueryError("every part has the weight 0, so nothing is asked; give one of them a weight above 0")
    total = math.fsum(weight for weight in sums if weight > 0)
    if not total:
        raise QueryError("nothing is wanted, for all weights are below 0; add a part with a weight above 0")
    split = [
        Shared(_first(group), round(max(-MAX_WEIGHT, weight / total), _DIGITS), tuple(group))
        for group, weight in zip(groups, sums, strict=True)
    ]
    return [each for each in split if each.weight]


def _weight(same: Sequence[QueryPart]) -> float:
    if len({part.weight > 0 for part in same}) > 1:
        raise QueryError(f"{same[0].called} is both wanted and not wanted; give it one weight, or leave it out")
    return math.fsum(part.weight for part in same)


def _first(same: Mapping[int, QueryPart]) -> QueryPart:
    """One of them, whatever their order: they may differ in capital letters."""
    return min(same.values(), key=lambda part: part.text or "")


def expect_few(parts: int, pictures: int) -> None:
    """Refuse more than can be searched together, of which so many are pictures.

    Raises:
        QueryError: It is too much.
    """
    if parts > MAX_PARTS:
        raise QueryError(f"the query has {parts} parts; use at most {MAX_PARTS}")
    if pictures > MAX_PICTURES:
        raise QueryError(f"the query has {pictures} pictures; use at most {MAX_PICTURES}")
