"""The sizes of assets as they are compared: in centimetres, where their unit is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshseek.model import Attributes

LIKELY = "likely"
"""How sure the unit of a size is, where nobody states it."""
SIDES = ("width", "depth", "height")
"""In the order in which sizes are written."""
CM = 100


def sides_in_cm(attributes: Attributes) -> tuple[float, float, float] | None:
    """Width, depth and height of an asset in centimetres, NaN where one is missing.

    None where the unit is not known: nothing in centimetres can be said of it.
    """
    size = attributes.get("size")
    if isinstance(size, Mapping):
        sides = [CM * number(size.get(name)) for name in SIDES] if size.get("unit") == "m" else None
    else:
        sides = attributes.get("dimensions_cm")  # all that an older Meshseek noted
    if not isinstance(sides, list | tuple):
        return None
    width, depth, height = (number(side) for side in (*sides, None, None, None)[: len(SIDES)])
    return width, depth, height


@dataclass(frozen=True, slots=True)
class AssetSize:
    """What can be told of an asset's size."""

    sides: tuple[float, float, float]
    """Width, depth and height, all of them finite: in centimetres, or in a unit that nobody knows."""
    is_known: bool
    """Whether they are centimetres."""
    is_likely: bool = False
    """Whether nobody states the unit, and all speaks for it."""


def size_of(attributes: Attributes) -> AssetSize | None:
    """The size of an asset as people are told it; None where a side is missing."""
    known, given = sides_in_cm(attributes), attributes.get("size")
    size: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    width, depth, height = known or [number(size.get(name)) for name in SIDES]
    if not all(map(math.isfinite, (width, depth, height))):
        return None
    return AssetSize((width, depth, height), known is not None, known is not None and size.get("certainty") == LIKELY)


def number(value: Any) -> float:
    """A number from whatever JSON gives; NaN where it is none."""
    try:
        return math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
