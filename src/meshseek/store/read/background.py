"""What a query gives for assets and words taken at random: only beside it does a cosine say anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.model import LANGUAGES, Language
from meshseek.store.queries import query

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.read.reader import Reader

FEWEST = 8
"""Of fewer assets nothing can be said about what is usual."""
VIEWED = 200
"""Assets of which there are views, at most."""
LEAST_DEVIATION = 1e-3
"""Cosines of half-precision vectors differ by so much for no reason."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of the cosines of one query with assets taken at random."""

    mean: float
    deviation: float

    def standard(self, score: float) -> float:
        """How many deviations a cosine stands above the mean."""
        return (score - self.mean) / self.deviation


def scale_of(scores: NDArray[np.float32]) -> Scale | None:
    """The scale of some cosines, shape ``(n,)``; None where there are too few."""
    if len(scores) < FEWEST:
        return None
    return Scale(float(scores.mean()), max(LEAST_DEVIATION, float(scores.std())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Vectors of one version that stand for all of it, each of unit length.

    Some 500 assets, the same at each call as long as they are published; of some 200, views.
    """

    dim: int
    caption_ids: Sequence[str]
    captions: Mapping[str, NDArray[np.float32]]
    """Shape ``(assets, dim)`` for each caption column; the other one stands in where an asset has not this one."""
    view_ids: Sequence[str]
    views: NDArray[np.float32]
    """Shape ``(views, dim)``, the views of an asset one after the other."""
    has_single_views: bool
    """Whether vectors are of one view each, and not of all views of an asset together."""
    starts: NDArray[np.intp]
    """Where the views of each asset begin, shape ``(assets,)``."""
    words: Sequence[str]
    """Words that queries may be about, whatever is in the library."""
    languages: Sequence[Language | None]
    """Of those that name things that a library may hold."""
    world: NDArray[np.float32]
    """The words, as queries; shape ``(words, used)``: what is zero at the end of all of them is left out."""

    @classmethod
    def read(cls, reader: Reader, dim: int) -> Background:
        """Read it from the version that the reader sees, of vectors of some length.

        Raises:
            DatabaseError: The database cannot be asked.
        """
        captions = reader.rows(query("background_captions"), {})
        views = reader.rows(query("background_views"), {"assets": VIEWED})
        world = reader.rows(query("world"), {})
        names = [row["asset_id"] for row in views]
        starts = np.flatnonzero([name != before for name, before in zip(names, [None, *names], strict=False)])
        return cls(
            dim=dim,
            caption_ids=[row["asset_id"] for row in captions],
            captions={name: _matrix(captions, name) for name in ("english_embedding", "chinese_embedding")},
            view_ids=[names[start] for start in starts],
            views=_matrix(views, "vector"),
            has_single_views=any(row["viewpoint_id"] is not None for row in views),
            starts=starts,
            words=[row["text"] for row in world],
            languages=[None if row["language"] is None else LANGUAGES[row["language"]] for row in world],
            world=_without_zeros(_matrix(world, "vector")),
        )

    def caption_scale(self, column: str, vector: NDArray[np.float32]) -> Scale | None:
        """What a query, shape ``(dim,)``, gives for captions."""
        return scale_of(_cosines(self.captions[column], vector)) if len(self.caption_ids) else None

    def view_scale(self, vector: NDArray[np.float32]) -> Scale | None:
        """What a query, shape ``(dim,)``, gives for the best views of assets."""
        if not len(self.view_ids):
            return None
        return scale_of(np.maximum.reduceat(_cosines(self.views, vector), self.starts))

    def best_views(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines of some vectors, shape ``(n, dim)``, with the best view of each asset, shape ``(n, assets)``."""
        scores: NDArray[np.float32] = np.maximum.reduceat(vectors @ self.views.T, self.starts, axis=1)
        return scores

    def word(self, place: int) -> NDArray[np.float32]:
        """The vector of a word, shape ``(dim,)``."""
        used: NDArray[np.float32] = np.zeros(self.dim, dtype=np.float32)
        used[: self.world.shape[1]] = self.world[place]
        return used

    def nearest_word(self, vector: NDArray[np.float32]) -> float | None:
        """The largest cosine of a query, shape ``(dim,)``, with any word; None where no words are known."""
        return float(_cosines(self.world, vector[: self.world.shape[1]]).max()) if len(self.words) else None


def _cosines(matrix: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same as ``matrix @ vector``, without the threads that on a busy machine wait for each other far longer."""
    cosines: NDArray[np.float32] = np.einsum("ij,j->i", matrix, vector)
    return cosines


def _without_zeros(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the columns at the end in which nothing stands; the vectors of words may be that much shorter."""
    used = np.flatnonzero(matrix.any(axis=0)) if matrix.ndim > 1 else np.empty(0, dtype=np.intp)
    return np.ascontiguousarray(matrix[:, : int(used[-1]) + 1]) if len(used) else matrix


def _matrix(rows: Sequence[Mapping[str, Any]], column: str) -> NDArray[np.float32]:
    return np.array([row[column].to_numpy() for row in rows], dtype=np.float32)
