"""The codes of one version, as they are searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from meshseek.errors import DatabaseError
from meshseek.store.codes.book import Book, coarse_bytes
from meshseek.store.codes.lists import LATER, NearLists
from meshseek.store.codes.masks import Masks
from meshseek.store.codes.parts import (
    BOOK,
    CENTROIDS,
    COARSE,
    COLUMNS,
    CUT,
    FINE,
    GONE,
    LISTS,
    ROWS,
    VIEW_CODES,
    VIEWS,
    expect_whole,
    part_of,
)
from meshseek.store.codes.segment import Column, Segment
from meshseek.store.codes.steps import Steps, step_bytes
from meshseek.store.codes.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from meshseek.store.codes.masks import Passing

    Parts = Mapping[str, NDArray[Any]]

T = TypeVar("T", Book, Steps)

LEAST_FOLLOWED = 250
"""Coarse codes that are followed at least in each edition: what was added last may be what is asked for."""


class Base:
    """Edition 0, which stays the same for as long as a version is changed only in place.

    Args:
        identity: Tells it from every other.
        dim: Length of a vector.
        parts: By name; those of the codes of views may be missing.
        ahead: See :class:`Views`.

    Raises:
        DatabaseError: A part is cut.
    """

    def __init__(self, identity: str, dim: int, parts: Parts, ahead: Callable[[Any, Any], None] | None = None) -> None:
        self.identity = identity
        self.segment = Segment(0, parts)
        books = {column: parts.get(part_of(column, BOOK)) for column in COLUMNS}
        self.books = {
            column: _meant(Book.from_bytes, column, book, dim) for column, book in books.items() if book is not None
        }
        self.columns = {column: _column(book, column, self.segment) for column, book in self.books.items()}
        steps = parts.get(part_of(VIEWS, BOOK))
        self.steps = None if steps is None else _meant(Steps.from_bytes, VIEWS, steps, dim)
        self.views = None if self.steps is None else _views(self.steps, self.segment, ahead)


class Snapshot:
    """Edition 0 and those after it. Threads may share it.

    Args:
        content: Of the version.
        base: Edition 0.
        later: Parts of the others, each one after the other; None where there are none. The codes of views may be
            missing, and then those of edition 0 are not used either.
        edition: The last one.

    Raises:
        DatabaseError: A part of the others is cut.
    """

    def __init__(self, content: str, base: Base, later: Parts | None = None, edition: int = 0) -> None:
        self.content = content
        self.edition = edition
        self.is_outdated = False
        """Whether somebody saw that others are live, though the content is the same."""
        self.base = base
        self.segments = [base.segment]
        columns = {name: [column] for name, column in base.columns.items()}
        views = [base.views]
        living: NDArray[np.bool_] | None = None
        if later is not None:
            self.segments.append(Segment(len(base.segment), later))
            for name, book in base.books.items():
                columns[name].append(_column(book, name, self.segments[-1]))
            if base.views and base.steps:
                views.append(_views(base.steps, self.segments[-1]))
            gone = later[GONE]
            expect_whole(GONE, holds=not len(gone) or bool(gone.min() >= 0 and gone.max() < len(self)))
            living = np.ones(len(self), dtype=np.bool_)
            living[gone] = False
        self.masks = Masks(self.segments, living)
        self._columns = columns
        self._views = [] if None in views else [each for each in views if each]

    def __len__(self) -> int:
        """How many numbers were given to assets."""
        return sum(map(len, self.segments))

    def has(self, column: str) -> bool:
        """Whether there are codes of a column; there are none where it has few vectors."""
        return column in self._columns

    def candidates(
        self,
        column: str,
        vector: NDArray[np.float32],
        *,
        looked_at: int,
        count: int,
        compared: int,
        passing: Passing | None,
    ) -> list[str]:
        """Ids of the assets that are nearest by their codes, best first.

        Args:
            column: What is compared.
            vector: The query, shape ``(dim,)``.
            looked_at: Coarse codes that are followed by their fine ones.
            count: Assets that are the best by these.
            compared: Assets that are wanted of them. Fine codes of captions tell which, and of views the codes of all;
                where these were not read, all of them are given.
            passing: Which assets pass the conditions; None where there are none.
        """
        numbers, scores = self._nearest(column, vector, looked_at, passing or self.masks.all)
        best = numbers[_highest(scores, count)].astype(np.int64)
        if column != CENTROIDS:
            best = best[:compared]
        elif self._views and compared < len(best):
            best = best[_highest(self._view_scores(vector, best), compared)]
        return [self._asset_id(number) for number in best.tolist()]

    def _nearest(
        self, column: str, vector: NDArray[np.float32], looked_at: int, passing: Passing | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Numbers of assets, and how near they are by their fine codes: of edition 0, and of those after it."""
        columns = self._columns[column]
        among = [each.among(passing) for each in columns]
        lists = NearLists.of(columns[0].book, vector)
        enough = lists.enough(
            np.sum([each.sizes(rows) for each, rows in zip(columns, among, strict=True)], axis=0), looked_at
        )
        share = looked_at / max(1, sum(map(len, columns)))
        told = [
            each.nearest(vector, max(LEAST_FOLLOWED, round(share * len(each))), lists.first(times * enough), rows)
            for each, rows, times in zip(columns, among, (1, LATER), strict=False)
        ]
        numbers, scores = (np.concatenate(each) for each in zip(*told, strict=True))
        return numbers, scores

    def _view_scores(self, vector: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of the best view of each asset, by its code."""
        scores: NDArray[np.float32] = np.full(len(numbers), -np.inf, dtype=np.float32)
        is_later = numbers >= len(self.segments[0])
        for views, those in zip(self._views, (~is_later, is_later), strict=False):
            scores[those] = views.scores(vector, numbers[those])
        return scores

    def _asset_id(self, number: int) -> str:
        segment = self.segments[number >= len(self.segments[0])]
        return segment.asset_id(number)


def _highest(scores: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Where the highest scores are, the highest first."""
    places = np.argpartition(-scores, count)[:count] if count < len(scores) else np.arange(len(scores))
    return places[np.argsort(-scores[places], kind="stable")]


def _meant(read: Callable[[bytes, int], T], column: str, book: NDArray[Any], dim: int) -> T:
    """What the codes of a column mean."""
    try:
        return read(book.tobytes(), dim)
    except ValueError as error:
        raise DatabaseError(CUT.format(part=part_of(column, BOOK))) from error


def _column(book: Book, name: str, segment: Segment) -> Column:
    segment.expect_rows(name, {LISTS: 1, COARSE: coarse_bytes(book.dim), FINE: step_bytes(book.dim)})
    lists = segment.parts[part_of(name, LISTS)]
    expect_whole(part_of(name, LISTS), holds=not len(lists) or int(lists.max()) < len(book.centres))
    return Column(book, name, segment.parts)


def _views(steps: Steps, segment: Segment, ahead: Callable[[Any, Any], None] | None = None) -> Views | None:
    """The codes of a segment's views; None where they were not read."""
    codes = segment.parts.get(VIEW_CODES)
    if codes is None:
        return None
    segment.expect_rows(VIEWS, {FINE: step_bytes(steps.dim)})
    rows = segment.parts[part_of(VIEWS, ROWS)]
    return Views(steps, segment.first, len(segment), rows, codes.reshape(-1, step_bytes(steps.dim)), ahead)
