"""The codes of one version, as they are searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.store.codes.book import Book
from meshseek.store.codes.masks import Masks
from meshseek.store.codes.parts import BOOK, COLUMNS, GONE, part_of
from meshseek.store.codes.segment import Column, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Parts = Mapping[str, NDArray[Any]]


class Base:
    """Edition 0, which stays the same for as long as a version is changed only in place."""

    def __init__(self, identity: str, dim: int, parts: Parts) -> None:
        self.identity = identity
        self.segment = Segment(0, parts)
        books = {column: parts.get(part_of(column, BOOK)) for column in COLUMNS}
        self.books = {
            column: Book.from_bytes(book.tobytes(), dim) for column, book in books.items() if book is not None
        }
        self.columns = {column: Column(book, column, parts) for column, book in self.books.items()}


class Snapshot:
    """Edition 0 and those after it. Threads may share it.

    Args:
        content: Of the version.
        base: Edition 0.
        later: Parts of the others, each one after the other; None where there are none.
        edition: The last one.
    """

    def __init__(self, content: str, base: Base, later: Parts | None = None, edition: int = 0) -> None:
        self.content = content
        self.edition = edition
        self.base = base
        self.segments = [base.segment]
        self.masks = Masks(self.segments)
        columns = {name: [column] for name, column in base.columns.items()}
        self._living: NDArray[np.bool_] | None = None
        if later is not None:
            self.segments.append(Segment(len(base.segment), later))
            for name, book in base.books.items():
                columns[name].append(Column(book, name, later))
            self._living = np.ones(len(self), dtype=np.bool_)
            self._living[later[GONE]] = False
        self._columns = columns

    def __len__(self) -> int:
        """How many numbers were given to assets."""
        return sum(map(len, self.segments))

    def has(self, column: str) -> bool:
        """Whether there are codes of a column; there are none where it has few vectors."""
        return column in self._columns

    def candidates(
        self, column: str, vector: NDArray[np.float32], *, looked_at: int, count: int, passing: NDArray[np.bool_] | None
    ) -> list[str]:
        """Ids of the assets that are nearest by their codes, best first.

        Args:
            column: What is compared.
            vector: The query, shape ``(dim,)``.
            looked_at: Coarse codes that are followed by their fine ones.
            count: Assets that are wanted.
            passing: Whether each asset passes the conditions, by its number; None where there are none.
        """
        if self._living is not None:
            passing = self._living if passing is None else passing & self._living
        told = [each.nearest(vector, looked_at, passing) for each in self._columns[column]]
        numbers, scores = (np.concatenate(each) for each in zip(*told, strict=True))
        ordered = numbers[np.argsort(-scores, kind="stable")]
        _, firsts = np.unique(ordered, return_index=True)  # of an asset the nearest row counts
        return [self._asset_id(number) for number in ordered[np.sort(firsts)][:count].tolist()]

    def _asset_id(self, number: int) -> str:
        segment = self.segments[number >= len(self.segments[0])]
        return segment.asset_id(number)
