"""One version of a library as it lies on several shards, open for reading, and closed when nobody reads it any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING

from meshseek.store.read.shard_look import ShardLook
from meshseek.store.shards import LiveRow

if TYPE_CHECKING:
    from meshseek.store.read.background import Background
    from meshseek.store.read.library import Library


@dataclass(slots=True, eq=False)
class ShardVersion:
    """The parts of a version. Threads may share it.

    Args:
        row: As it is live; None for one that is not.
        parts: The library of each shard.
        looks: Whether each shard answers; none where nobody looks.
    """

    row: LiveRow | None
    parts: Sequence[Library]
    looks: Sequence[ShardLook] = ()
    background: tuple[str, frozenset[int], Background] | None = None
    """Of which content, and of which parts."""
    _lock: Lock = field(default_factory=Lock)
    _users: int = 0
    _is_retired: bool = False

    @property
    def failures(self) -> dict[int, str]:
        """Why shards do not answer, by number, of those that do not."""
        return {number: look.failure for number, look in enumerate(self.looks) if look.failure is not None}

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within it, it stays open."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                is_over = self._is_retired and not self._users
            if is_over:
                self._close_soon()

    def retire(self) -> None:
        """Close it as soon as nobody uses it, which does not keep whoever calls."""
        for look in self.looks:
            look.stop()
        with self._lock:
            self._is_retired = True
            is_over = not self._users
        if is_over:
            self._close_soon()

    def close(self) -> None:
        """Close it now."""
        for look in self.looks:
            look.stop()
        for part in self.parts:
            part.close()

    def _close_soon(self) -> None:
        Thread(target=self.close, name="close shards", daemon=True).start()


@dataclass(frozen=True, slots=True)
class Asked:
    """What one answer comes from: the same parts of the same version for all that it reads."""

    version: ShardVersion
    parts: Mapping[int, Library]
    """By number: those that answer."""
