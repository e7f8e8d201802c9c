"""Queries to measure an index with, made from what was published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.read.library import Library
    from meshseek.store.read.published import Published, QueryKind

    Vectors = NDArray[np.float32]

NOISE: Final = 0.3
"""Queries are vectors of the library moved by so much, so that none is simply its own answer."""
FRESH: Final = 1_000
"""Vectors that are sampled beside them, for queries that are asked once only."""


class Queries:
    """Queries of one kind: some to compare with exact answers, and others to be asked once.

    Words are every other one a name of an everyday thing as a query, as long as there are such, and else a caption
    that was moved a little; pictures are views that were moved. Words that no library is made of are what an index
    loses first, and captions are where its own assets are.

    Args:
        library: What is asked.
        published: Its live version.
        kind: Of queries.
        count: How many are compared.
    """

    def __init__(self, library: Library, published: Published, kind: QueryKind, count: int) -> None:
        self._random = np.random.default_rng(0)
        self._vectors = library.sample(kind, count + FRESH)
        words = _everyday(library, published) if kind == "text" else self._vectors[:0]
        pool = _alternating(self._random.permutation(words), self._moved(self._vectors))
        while len(pool) < count:
            pool = np.concatenate([pool, self._moved(self._vectors)])
        self.compared = pool[:count]
        """Unit vectors, shape ``(count, dim)``."""
        self._fresh = pool[count:]

    def fresh(self) -> Iterator[Vectors]:
        """Unit vectors, shape ``(dim,)``, each given once and never compared; of a small library near earlier ones."""
        while True:
            if not len(self._fresh):
                self._fresh = self._moved(self._vectors)
            vector, self._fresh = self._fresh[0], self._fresh[1:]
            yield vector

    def _moved(self, vectors: Vectors) -> Vectors:
        noise = self._random.normal(size=vectors.shape) / np.sqrt(vectors.shape[1])
        moved = vectors + NOISE * noise
        unit: Vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
        return unit


def _everyday(library: Library, published: Published) -> Vectors:
    """English names of things that a library may hold, as queries, shape ``(words, dim)``."""
    background = library.background(published)
    places = [place for place, language in enumerate(background.languages) if language == "english"]
    return np.array([background.word(place) for place in places], dtype=np.float32).reshape(-1, background.dim)


def _alternating(first: Vectors, second: Vectors) -> Vectors:
    """One of each in turn, then what is left of the longer one."""
    both = min(len(first), len(second))
    mixed = np.stack([first[:both], second[:both]], axis=1).reshape(-1, second.shape[1])
    return np.concatenate([mixed, first[both:], second[both:]])
