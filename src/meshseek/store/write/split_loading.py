"""Loads assets and vectors into several versions at the same time, each asset into the one of its shard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, replace
from functools import lru_cache
from itertools import islice
from queue import Full, Queue
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from meshseek.store.shards import shard_of
from meshseek.store.write.loading import ASSETS, Captions, Centroids, Loader, Views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.model import Asset, Language
    from meshseek.store.write.labels import LabelBook

B = TypeVar("B", Captions, Views, Centroids)
T = TypeVar("T")
WAITING: Final = 2
"""Batches that wait for a shard that is slower than the others."""
LOOK_SECONDS: Final = 0.2
REMEMBERED: Final = 4096
"""Assets whose shard is remembered, for their views come one after the other."""


class SplitLoader:
    """What :class:`Loader` does, on several shards; everything is read once.

    Args:
        loaders: Of the shards.
    """

    def __init__(self, loaders: Sequence[Loader]) -> None:
        self._loaders = loaders
        self._shard_of = lru_cache(REMEMBERED)(lambda asset_id: shard_of(asset_id, len(loaders)))

    def load_labels(self, book: LabelBook, rows: Mapping[str, int]) -> None:
        """Load what assets are filtered by: of the whole library, on each shard."""
        for loader in self._loaders:
            loader.load_labels(book, rows)

    def load_assets(self, assets: Iterable[tuple[Asset, str]]) -> None:
        """Load assets with their words; see :meth:`Loader.load_assets`."""
        every = iter(assets)
        lots = iter(lambda: list(islice(every, ASSETS)), [])
        self._spread(lambda loader, lots: loader.load_assets(each for lot in lots for each in lot), lots, self._lots)

    def load_captions(self, batches: Iterable[Captions]) -> None:
        """Load caption vectors."""
        self._spread(Loader.load_captions, batches, self._parts)

    def load_views(self, batches: Iterable[Views]) -> None:
        """Load view vectors."""
        self._spread(Loader.load_views, batches, self._parts)

    def load_centroids(self, batches: Iterable[Centroids]) -> None:
        """Load the centroids of views."""
        self._spread(Loader.load_centroids, batches, self._parts)

    def load_world(
        self, texts: Sequence[str], languages: Sequence[Language | None], vectors: NDArray[np.float32]
    ) -> None:
        """Load words as queries, all of them on each shard."""
        for loader in self._loaders:
            loader.load_world(texts, languages, vectors)

    def _lots(self, lot: Sequence[tuple[Asset, str]]) -> list[list[tuple[Asset, str]]]:
        parts: list[list[tuple[Asset, str]]] = [[] for _ in self._loaders]
        for asset, digest in lot:
            parts[self._shard_of(asset.asset_id)].append((asset, digest))
        return parts

    def _parts(self, batch: B) -> list[B]:
        """The rows of a batch by shard, in their order."""
        numbers = np.array([self._shard_of(asset_id) for asset_id in batch.ids])
        places = [np.flatnonzero(numbers == number) for number in range(len(self._loaders))]
        return [_rows(batch, those) for those in places]

    def _spread(
        self,
        load: Callable[[Loader, Iterator[T]], None],
        batches: Iterable[T],
        split: Callable[[T], Sequence[T]],
    ) -> None:
        """Let each shard load its part of all batches, which are read here; a shard that fails ends it.

        Args:
            load: Loads what comes into one of them.
            batches: To be loaded.
            split: Gives the parts of a batch.
        """
        queues: list[Queue[T | None]] = [Queue(WAITING) for _ in self._loaders]
        with ThreadPoolExecutor(len(queues), thread_name_prefix="load") as executor:
            loading = [
                executor.submit(load, loader, _come(queue)) for loader, queue in zip(self._loaders, queues, strict=True)
            ]
            try:
                for batch in batches:
                    put = [_put(*each) for each in zip(queues, split(batch), loading, strict=True)]
                    if not all(put):
                        break
            finally:
                for queue, future in zip(queues, loading, strict=True):
                    _put(queue, None, future)
        for future in loading:
            future.result()


def _rows(batch: B, places: NDArray[np.intp]) -> B:
    taken: dict[str, Any] = {field.name: getattr(batch, field.name) for field in fields(batch)}
    ids = taken.pop("ids")
    return replace(batch, ids=[ids[place] for place in places], **{name: each[places] for name, each in taken.items()})


def _come(queue: Queue[T | None]) -> Iterator[T]:
    """What is put into a queue, until None is."""
    while (part := queue.get()) is not None:
        yield part


def _put(queue: Queue[T | None], part: T | None, future: Future[None]) -> bool:
    """Put something where it is waited for; whether it still is."""
    while not future.done():
        try:
            queue.put(part, timeout=LOOK_SECONDS)
        except Full:
            continue
        return True
    return False
