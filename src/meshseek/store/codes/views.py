"""Codes of every view: which of some assets have the best view, before any vector is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from meshseek.store.codes.steps import Steps

    Rows = NDArray[np.int64]


class Views:
    """The codes of the views of assets that are numbered one after the other. Threads may share it.

    Args:
        steps: What the codes mean.
        first: Number of the first asset.
        assets: How many there are.
        rows: Whose each view is, by the asset's number; those of an asset need not stand together, and mostly do.
        codes: Shape ``(views, step_bytes(dim))``; may be mapped from a file.
        ahead: Told which codes will be read in a moment, by their first and last rows.
    """

    def __init__(
        self,
        steps: Steps,
        first: int,
        assets: int,
        rows: NDArray[np.int32],
        codes: NDArray[np.uint8],
        ahead: Callable[[Rows, Rows], None] | None = None,
    ) -> None:
        self._steps = steps
        self._first = first
        begins = np.flatnonzero(rows[1:] != rows[:-1]) + 1
        begins = np.concatenate([np.zeros(min(1, len(rows)), dtype=np.int64), begins])
        whose = rows[begins] - first
        self._starts, self._counts = (np.zeros(assets, dtype=np.int64) for _ in range(2))
        self._order: Rows | None = None
        has_views = np.zeros(assets, dtype=np.bool_)
        has_views[whose] = True
        if np.count_nonzero(has_views) == len(whose):  # those of each asset stand together
            self._starts[whose] = begins
            self._counts[whose] = np.diff(begins, append=len(rows))
        else:
            self._order = np.argsort(rows, kind="stable")
            self._counts += np.bincount(rows - first, minlength=assets)
            self._starts += np.cumsum(self._counts) - self._counts
        self._codes = codes
        self._ahead = ahead

    def scores(self, vector: NDArray[np.float32], numbers: Rows) -> NDArray[np.float32]:
        """How near the best view of each of some assets is by its code; minus infinity where it has none.

        Args:
            vector: The query, shape ``(dim,)``.
            numbers: Of the assets.
        """
        starts, counts = self._starts[numbers - self._first], self._counts[numbers - self._first]
        if self._ahead and self._order is None:
            self._ahead(starts, starts + counts)
        told_before = np.cumsum(counts) - counts
        rows = np.arange(int(counts.sum())) + np.repeat(starts - told_before, counts)
        told = self._steps.scores(vector, self._codes, rows if self._order is None else self._order[rows])
        scores: NDArray[np.float32] = np.full(len(numbers), -np.inf, dtype=np.float32)
        has_views = counts > 0
        if len(told):
            scores[has_views] = np.maximum.reduceat(told, told_before[has_views])
        return scores
