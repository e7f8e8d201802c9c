"""JSON that somebody else wrote: lists in lists in lists end many programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DEEPEST = 8
"""Lists and objects inside each other, in one attribute of an asset."""
_NESTING = (Mapping, list, tuple)


def is_deep(value: Any) -> bool:
    """Whether more than :data:`DEEPEST` lists and objects are inside each other; found without going any deeper."""
    level: list[Any] = [value]
    for _ in range(DEEPEST + 1):
        level = [inner for own in level if type(own) is not str and isinstance(own, _NESTING) for inner in _inside(own)]
        if not level:  # mostly soon, and a million assets are looked at
            return False
    return True


def _inside(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value
