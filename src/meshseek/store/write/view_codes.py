"""Writes the codes of all views, as they lie in the table: one pass over it, in a few hundred MB at any size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg import sql

from meshseek.reporting import Reporter
from meshseek.store.ahead import read_ahead
from meshseek.store.codes.parts import BOOK, FINE, ROWS, TYPES, VIEWS, part_of
from meshseek.store.codes.steps import Steps
from meshseek.store.postgres import Connection
from meshseek.store.queries import Query, query
from meshseek.store.read.exact import pages_at_a_time
from meshseek.store.write.binary_copy import HEADER, TRAILER
from meshseek.store.write.edition import Edition

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Block = tuple[NDArray[np.int32], NDArray[np.float16]]

STRETCHES = 64
"""Parts of the table that steps are learnt from; together as much as is read at a time."""
ASSETS = 512
"""Of an edition after 0, whose views are read at once: there may be a thousand of each."""


class ViewCodesWriter:
    """Writes codes of the views of assets that are numbered, in a transaction of the connection.

    Args:
        connection: Sees the version.
        dim: Length of a vector.
        edition: Takes the codes.
    """

    def __init__(self, connection: Connection, dim: int, edition: Edition) -> None:
        self._connection = connection
        self._dim = dim
        self._edition = edition

    def write_all(self, watcher: Reporter) -> None:
        """Write the codes of all views, by steps that are learnt from some of them."""
        pages = self._value(query("pages", table=sql.Literal("image_embeddings")), {}) or 0
        steps = self._learn(pages)
        self._edition.add(part_of(VIEWS, BOOK), 0, steps.values)
        each = pages_at_a_time(self._dim)
        bounds = ((first, first + each) for first in range(0, pages, each))
        with watcher.bar("codes of views", self._value(query("count_views"), {}) or 0) as advance:
            for count in self._write(steps, (self._in_pages(*bound) for bound in bounds)):
                advance(count)

    def write_some(self, steps: Steps, first: int, end: int) -> None:
        """Write the codes of the views of some assets.

        Args:
            steps: What codes mean.
            first: Number of the first asset.
            end: What comes after the last one's.
        """
        blocks = (self._of_assets(start, min(start + ASSETS, end) - 1) for start in range(first, end, ASSETS))
        for _ in self._write(steps, blocks):
            pass

    def _write(self, steps: Steps, blocks: Iterator[Block]) -> Iterator[int]:
        """Write block after block; how many views each has."""
        with closing(read_ahead(blocks)) as ahead:
            for block, (numbers, vectors) in enumerate(ahead):
                self._edition.add(part_of(VIEWS, ROWS), block, numbers)
                self._edition.add(part_of(VIEWS, FINE), block, steps.codes(vectors))
                yield len(numbers)

    def _learn(self, pages: int) -> Steps:
        stretch = max(1, pages_at_a_time(self._dim) // STRETCHES)
        starts = np.unique(np.linspace(0, max(0, pages - stretch), STRETCHES).astype(int)).tolist()
        return Steps.learn(np.concatenate([self._in_pages(start, start + stretch)[1] for start in starts]))

    def _in_pages(self, first: int, end: int) -> Block:
        start, stop = (sql.Literal(f"({page},0)") for page in (first, end))
        return self._copied(query("numbered_views", first=start, last=stop))

    def _of_assets(self, first: int, last: int) -> Block:
        return self._copied(query("numbered_views_of", first=sql.Literal(first), last=sql.Literal(last)))

    def _copied(self, asked: Query) -> Block:
        """Rows of a number and a vector; to copy them takes half of the time of any other way."""
        with self._connection.cursor() as cursor, cursor.copy(asked) as copy:
            content = bytearray()
            for piece in copy:
                content += piece
        row = np.dtype(
            [("head", "u1", 6), ("number", ">i4"), ("vector_head", "u1", 8), ("vector", ">i2", (self._dim,))]
        )
        count = len(content) // row.itemsize
        assert len(content) == len(HEADER) + count * row.itemsize + len(TRAILER)  # whoever has views has a number
        rows = np.frombuffer(content, dtype=row, offset=len(HEADER), count=count)
        halves: NDArray[np.float16] = rows["vector"].astype("<i2").view(np.float16)
        return rows["number"].astype(TYPES[ROWS]), halves

    def _value(self, asked: Query, values: dict[str, Any]) -> Any:
        """The only value that a query gives."""
        row = self._connection.execute(asked, values, binary=True).fetchone()
        return None if row is None else row[0]
