"""Assets that are numbered one after the other, and the codes of their vectors, ready to be searched."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.model import NUMBER_FIELDS
from meshseek.store.codes.book import Book, coarse_bytes
from meshseek.store.codes.parts import (
    COARSE,
    FINE,
    HASHES,
    ID_LENGTHS,
    IDS,
    LABEL_COUNTS,
    LABELS,
    LISTS,
    ROWS,
    expect_whole,
    part_of,
)
from meshseek.store.codes.steps import step_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.codes.lists import NearLists
    from meshseek.store.codes.masks import Passing, Rows
    from meshseek.store.codes.scan import Scan

FEW_CODES = 2_000
"""So many are ranked by their fine codes at once, about half a millisecond."""


class Segment:
    """What the parts of an edition, or of several together, say of their assets. Threads may share it.

    Args:
        first: Number of the first asset.
        parts: By name.

    Raises:
        DatabaseError: They are not of the same assets.
    """

    def __init__(self, first: int, parts: Mapping[str, NDArray[Any]]) -> None:
        self.first = first
        self.parts = parts
        self._id_ends = np.cumsum(parts[ID_LENGTHS], dtype=np.int64)
        expect_whole(IDS, holds=len(parts[IDS]) == (self._id_ends[-1] if len(self) else 0))
        for name in (HASHES, LABEL_COUNTS, *NUMBER_FIELDS):
            expect_whole(name, holds=len(parts[name]) == len(self))
        expect_whole(LABELS, holds=len(parts[LABELS]) == parts[LABEL_COUNTS].sum(dtype=np.int64))

    def __len__(self) -> int:
        return len(self._id_ends)

    def asset_id(self, number: int) -> str:
        """The id of an asset by its number."""
        place = number - self.first
        start = int(self._id_ends[place - 1]) if place else 0
        return bytes(self.parts[IDS][start : self._id_ends[place]]).decode()

    def expect_rows(self, column: str, widths: Mapping[str, int]) -> None:
        """See that a column has a code of each row, and that its rows are of these assets.

        Args:
            column: Its name.
            widths: Numbers of a code in each of its parts.

        Raises:
            DatabaseError: It has not.
        """
        rows = self.parts[part_of(column, ROWS)]
        is_inside = not len(rows) or (rows.min() >= self.first and rows.max() < self.first + len(self))
        expect_whole(part_of(column, ROWS), holds=bool(is_inside))
        for name, width in widths.items():
            part = part_of(column, name)
            expect_whole(part, holds=self.parts[part].size == width * len(rows))

    @cached_property
    def label_places(self) -> NDArray[np.int32]:
        """Which asset each label is of, by its place among these."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.parts[LABEL_COUNTS])

    @cached_property
    def by_hash(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Places of assets in the order of their ids' hashes, and these in that order."""
        order = np.argsort(self.parts[HASHES], kind="stable").astype(np.int32)
        return order, self.parts[HASHES][order]


class Column:
    """The codes of one column in one segment: a row for each asset that has a vector. Threads may share it.

    Args:
        book: What they mean.
        name: Of the column.
        parts: Of the segment.
    """

    def __init__(self, book: Book, name: str, parts: Mapping[str, NDArray[Any]]) -> None:
        self.book = book
        self.numbers: NDArray[np.int32] = parts[part_of(name, ROWS)]
        """Of the asset of each row."""
        self.lists: NDArray[np.uint16] = parts[part_of(name, LISTS)]
        self.coarse = parts[part_of(name, COARSE)].reshape(-1, coarse_bytes(book.dim))
        self.fine = parts[part_of(name, FINE)].reshape(-1, step_bytes(book.dim))
        self._lock = Lock()
        self._scan: Scan | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def among(self, passing: Passing | None) -> Rows | None:
        """Which rows are of assets that pass; None for all."""
        return None if passing is None else passing.rows(self.numbers, self.lists, len(self.book.centres))

    def sizes(self, among: Rows | None) -> NDArray[np.intp]:
        """Rows in each list, of some or of all."""
        return self._sizes if among is None else among.of_lists

    def nearest(
        self, vector: NDArray[np.float32], count: int, near: NearLists, among: Rows | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Numbers of the assets of the nearest rows, in no order, and how near these are by their fine codes.

        Args:
            vector: The query, shape ``(dim,)``.
            count: About how many rows are looked at more closely, where there are many.
            near: The lists that they are looked for in, where there are many.
            among: Which rows may be given; None for all.
        """
        few = max(count, FEW_CODES)
        if among is None and len(self) <= few:
            return self.numbers, self.book.steps.scores(vector, self.fine)
        if among is not None and among.listed is not None and among.count <= few:
            return self.numbers[among.listed], self.book.steps.scores(vector, self.fine, among.listed)
        rows = self._packed().nearest(near, count, among)
        return self.numbers[rows], self.book.steps.scores(vector, self.fine, rows)

    @cached_property
    def _sizes(self) -> NDArray[np.intp]:
        return np.bincount(self.lists, minlength=len(self.book.centres))

    def _packed(self) -> Scan:
        """The coarse codes, packed when they are first asked."""
        from meshseek.store.codes.scan import Scan  # noqa: PLC0415  # it imports faiss

        with self._lock:
            if self._scan is None:
                self._scan = Scan(self.book, self.lists, self.coarse)
            return self._scan
