"""The best assets of many queries at once, gathered from scores that come block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WAITING = 1_000_000
"""So many scores wait until they are put in order together."""


class Best:
    """Keeps the best distinct assets of each query, each with its best score, in memory that does not grow.

    An asset that falls behind and has a better vector later comes back with that, so vectors may come in any order.

    Args:
        queries: How many there are.
        kept: Assets that are kept of each.
    """

    def __init__(self, queries: int, kept: int) -> None:
        self._kept = kept
        self._least: NDArray[np.float32] = np.full(queries, -np.inf, dtype=np.float32)
        """What a query's new assets must exceed; it only rises, and may lag behind."""
        self._numbers: dict[str, int] = {}
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []
        """Query, number of the asset, score; the first part is in order."""
        self._waiting = 0

    def add(self, ids: Sequence[str], scores: NDArray[np.float32]) -> None:
        """Look at the scores of some vectors.

        Args:
            ids: Whose vector each row is.
            scores: Shape ``(rows, queries)``; what is not a number is left out.
        """
        rows, queries = np.nonzero(scores > self._least)
        if not len(rows):
            return
        used, of_used = np.unique(rows, return_inverse=True)
        numbers = [self._numbers.setdefault(ids[row], len(self._numbers)) for row in used.tolist()]
        self._parts.append((queries, np.array(numbers)[of_used], scores[rows, queries]))
        self._waiting += len(rows)
        if self._waiting > WAITING:
            self._order()

    def rankings(self) -> list[list[tuple[str, float]]]:
        """What was kept of each query, best first, equal scores by id."""
        self._order()
        ids = list(self._numbers)
        rankings: list[list[tuple[str, float]]] = [[] for _ in self._least]
        for queries, assets, scores in self._parts:
            for query, asset, score in zip(queries.tolist(), assets.tolist(), scores.tolist(), strict=True):
                rankings[query].append((ids[asset], score))
        for ranking in rankings:
            ranking.sort(key=lambda each: (-each[1], each[0]))
        return rankings

    def _order(self) -> None:
        """Keep each asset once, and of each query no more than is wanted; forget the ids of all others."""
        if not self._parts:
            return
        queries, assets, scores = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        queries, assets, scores = _first_of(queries, assets, scores)
        order = np.lexsort((-scores, queries))
        queries, assets, scores = queries[order], assets[order], scores[order]
        rank = np.arange(len(queries)) - np.searchsorted(queries, queries)
        full = rank == self._kept - 1
        self._least[queries[full]] = scores[full]
        stays = rank < self._kept
        used, renumbered = np.unique(assets[stays], return_inverse=True)
        ids = list(self._numbers)
        self._numbers = {ids[number]: place for place, number in enumerate(used.tolist())}
        self._parts = [(queries[stays], renumbered, scores[stays])]
        self._waiting = 0


def _first_of(
    queries: NDArray[np.int64], assets: NDArray[np.int64], scores: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The best score of each asset for each query."""
    order = np.lexsort((-scores, assets, queries))
    queries, assets = queries[order], assets[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (queries[1:] != queries[:-1]) | (assets[1:] != assets[:-1])
    return queries[new], assets[new], scores[order][new]
