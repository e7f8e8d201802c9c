"""What several processors do at the same time for one search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from meshseek.processors import usable_processors

Part = TypeVar("Part")
Outcome = TypeVar("Outcome")


def shares(count: int, worth: int) -> int:
    """How many shares work is split into: one for each processor, but none of less than is worth a thread."""
    return max(1, min(usable_processors(), count // worth))


def together(work: Callable[[Part], Outcome], parts: Sequence[Part]) -> list[Outcome]:
    """The outcome of each part, in their order: the first one by the caller, the others by threads beside it.

    Args:
        work: Lets go of the interpreter for most of its time, as numpy and faiss do.
        parts: At least one.
    """
    others = [_helpers().submit(work, part) for part in parts[1:]]
    return [work(parts[0]), *(each.result() for each in others)]


@cache
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(usable_processors(), thread_name_prefix="codes")
