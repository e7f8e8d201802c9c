"""JSON that somebody else wrote: lists in lists in lists end many programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DEEPEST = 8
"""Lists and objects inside each other, in one attribute of an asset."""


def is_deep(value: Any) -> bool:
    """Whether more than :data:`DEEPEST` lists and objects are inside each other; found without going any deeper."""
    level: list[Any] = [value]
    for _ in range(DEEPEST + 1):
        level = [inner for own in level if isinstance(own, Mapping | list | tuple) for inner in _inside(own)]
    return bool(level)


def _inside(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value
