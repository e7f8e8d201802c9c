"""The sizes of assets as they are compared: in centimetres, where their unit is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from meshseek.model import Attributes

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


def number(value: Any) -> float:
    """A number from whatever JSON gives; NaN where it is none."""
    try:
        return math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
