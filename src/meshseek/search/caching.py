"""What was computed for recent queries."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from PIL.Image import Image

Value = TypeVar("Value")


class RecentlyUsed(Generic[Value]):
    """A bounded cache: the least recently used entry goes first. Threads may share it.

    Args:
        limit: Entries at most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = Lock()
        self.hits = 0
        """How often an entry was there."""
        self.misses = 0
        """How often it was not."""

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The entry of a key, made if it is not there; two threads may both make it. None is not kept."""
        known = self.find(key)
        if known is not None:
            return known
        value = make()
        if value is not None:
            self.keep(key, value)
        return value

    def find(self, key: Hashable) -> Value | None:
        """The entry of a key; None where there is none."""
        with self._lock:
            if key not in self._entries:
                self.misses += 1
                return None
            self.hits += 1
            self._entries.move_to_end(key)
            return self._entries[key]

    def keep(self, key: Hashable, value: Value) -> None:
        """Add an entry, or replace it."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)


def picture_key(image: Image) -> tuple[str, tuple[int, int], str]:
    """The same for equal pixels."""
    return image.mode, image.size, hashlib.sha256(image.tobytes()).hexdigest()
