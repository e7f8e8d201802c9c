"""Asks the shards of one version at the same time, all that belongs to an answer from the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeVar

from meshseek.deadlines import check_deadline
from meshseek.errors import DatabaseDownError, DatabaseError, NotPublishedError
from meshseek.store.postgres import LOOKUPS, POOL_SIZE
from meshseek.store.read.fan_out import PartFailedError, ask_all
from meshseek.store.read.live_shards import BegunAnewError
from meshseek.store.read.shard_look import STOPPING
from meshseek.store.read.shard_version import Asked, ShardVersion
from meshseek.store.shards import shard_of

if TYPE_CHECKING:
    from meshseek.store.read.library import Library

T = TypeVar("T")
AWAY = (DatabaseDownError, NotPublishedError)
"""What is wrong with a shard, and not with what it was asked."""
ATTEMPTS = 20
"""Times that something is asked again that shards failed at."""

_asked: ContextVar[Mapping[ShardAsker, Asked]] = ContextVar("asked", default=MappingProxyType({}))
"""What the answer that this thread works on comes from, by who asks: it may be put together from several libraries."""


class Source(Protocol):
    """Gives the version that is asked; see :class:`meshseek.store.read.live_shards.LiveShards`."""

    def taken(self) -> AbstractContextManager[tuple[ShardVersion, Sequence[int]]]:
        """The version, which stays open within it, and the numbers of its parts that answer."""

    def look(self) -> None:
        """Learn what is live now."""

    def failed(self, version: ShardVersion, number: int, error: DatabaseError) -> Exception:
        """What is to be raised where a shard has failed while it was asked."""

    def down(self, number: int) -> DatabaseError:
        """A shard that is not asked, as an error."""

    def open_now(self) -> ShardVersion | None:
        """The version that is open; nobody is asked."""

    def states(self) -> dict[str, bool]:
        """Whether each shard answers, by name; nobody is asked."""

    def close(self) -> None:
        """Close everything."""


class ShardAsker:
    """Asks the parts of a library. Safe to share between threads.

    Args:
        source: Gives the version that is asked.
        shards: How many there are at most.
    """

    def __init__(self, source: Source, shards: int) -> None:
        self.source = source
        self._is_closed = False
        self._executors = [
            ThreadPoolExecutor(POOL_SIZE + LOOKUPS, thread_name_prefix=f"shard {number + 1}")
            for number in range(shards)
        ]

    def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        self.source.close()
        for executor in self._executors:
            executor.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def answering(self) -> Iterator[Asked]:
        """Within it, all that this thread asks is asked of the same shards and version; in another, of its own."""
        current = self._current()
        if current is not None:
            yield current
            return
        with self._taken() as asked:
            token = _asked.set({**_asked.get(), self: asked})
            try:
                yield asked
            finally:
                _asked.reset(token)

    def each(self, ask: Callable[[Library], T]) -> list[T]:
        """What every shard says."""
        return self._told(lambda asked: {number: partial(ask, part) for number, part in asked.parts.items()})

    def ranked(self, ask: Callable[[Library, int], T]) -> list[T]:
        """What every shard says, which is told how many are asked."""
        return self._told(lambda asked: {n: partial(ask, part, len(asked.parts)) for n, part in asked.parts.items()})

    def first(self, ask: Callable[[Library], T]) -> T:
        """What any one says, of what all of them know."""

        def one(asked: Asked) -> dict[int, Callable[[], T]]:
            number = min(asked.parts)
            return {number: partial(ask, asked.parts[number])}

        return self._told(one)[0]

    def of(self, asset_ids: Sequence[str], ask: Callable[[Library, list[str]], T]) -> list[T]:
        """What the shards of some assets say; those of no asset are not asked."""

        def some(asked: Asked) -> dict[int, Callable[[], T]]:
            lots: dict[int, list[str]] = {}
            for asset_id in asset_ids:
                lots.setdefault(shard_of(asset_id, len(asked.version.parts)), []).append(asset_id)
            return {n: partial(ask, asked.parts[n], ids) for n, ids in lots.items() if n in asked.parts}

        return self._told(some)

    def _told(self, choose: Callable[[Asked], Mapping[int, Callable[[], T]]]) -> list[T]:
        """Ask within the answer that this thread works on; or else for itself, and again where a shard is left out."""
        current = self._current()
        if current is not None:
            return self._ask(current, choose(current))
        for _ in range(ATTEMPTS):
            try:
                with self._taken() as asked:
                    return self._ask(asked, choose(asked))
            except BegunAnewError:
                check_deadline()
        raise BegunAnewError

    def _ask(self, asked: Asked, asks: Mapping[int, Callable[[], T]]) -> list[T]:
        try:
            return list(ask_all(self._executors, asks).values())
        except RuntimeError as refusal:  # so refuses an executor that was shut down
            if not self._is_closed:
                raise
            raise DatabaseDownError(STOPPING) from refusal
        except PartFailedError as failed:
            error = failed.__cause__
            assert error is not None
            if isinstance(error, CancelledError):
                raise DatabaseDownError(STOPPING) from error
            if isinstance(error, AWAY):
                raise self.source.failed(asked.version, failed.number, error) from error
            raise error from error.__cause__

    def _current(self) -> Asked | None:
        return _asked.get().get(self)

    @contextmanager
    def _taken(self) -> Iterator[Asked]:
        with self.source.taken() as (version, numbers):
            yield Asked(version, {number: version.parts[number] for number in numbers})
