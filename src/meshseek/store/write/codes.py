"""Writes the codes of the vectors that stand in the tables of the schema that is first in the search path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg import sql

from meshseek.reporting import Reporter
from meshseek.store.codes.book import Book, lists_for
from meshseek.store.codes.parts import (
    BOOK,
    CENTROIDS,
    COARSE,
    COLUMNS,
    FINE,
    GONE,
    HASHES,
    IDENTITY,
    LISTS,
    ROWS,
    TYPES,
    VIEWS,
    asset_parts,
    part_of,
)
from meshseek.store.codes.steps import Steps
from meshseek.store.postgres import Connection
from meshseek.store.queries import query
from meshseek.store.write.edition import Edition, numbered
from meshseek.store.write.view_codes import ViewCodesWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 1_000
"""Of fewer vectors there is little to learn, and comparing with all of them is quick."""
BLOCK, SAMPLED = 16_384, 32_768
"""Assets whose codes are written at once, and vectors that a book is learnt from; of long vectors fewer."""
LONG = 768
"""A longer vector is a long one."""
TABLES = {"english_embedding": "text_embeddings", "chinese_embedding": "text_embeddings", "centroid": "asset_centroids"}
OTHERS = {"english_embedding": "chinese_embedding", "chinese_embedding": "english_embedding", "centroid": "centroid"}
"""What stands in where an asset has not the first."""


class CodesWriter:
    """Writes codes, in a transaction of the connection.

    Args:
        connection: Sees the version.
        dim: Length of a vector.
    """

    def __init__(self, connection: Connection, dim: int) -> None:
        self._connection = connection
        self._dim = dim
        self._block = _fewer(BLOCK, dim)

    def write_all(self, *, chinese: bool, watcher: Reporter) -> None:
        """Write edition 0: the codes of everything, by books that are learnt from it.

        Args:
            chinese: Whether there are Chinese caption vectors.
            watcher: Is shown how far it has come.
        """
        with self._connection.transaction():
            # A table that is emptied in the transaction that fills it needs no log.
            self._connection.execute(query("truncate", table=sql.Identifier("codes")))
            edition = Edition(self._connection, 0)
            assets = self._number(0, None)
            columns = [column for column in COLUMNS if chinese or column != "chinese_embedding"]
            books = {column: book for column in columns if (book := self._learn(column, assets)) is not None}
            for column, book in books.items():
                edition.add(part_of(column, BOOK), 0, book.values)
            if books:
                with watcher.bar("codes", assets) as advance:
                    for block, start in enumerate(range(0, assets, self._block)):
                        self._write_block(edition, block, start, books)
                        advance(min(self._block, assets - start))
            if CENTROIDS in books:
                ViewCodesWriter(self._connection, self._dim, edition).write_all(watcher)
            edition.add(IDENTITY, 0, np.frombuffer(edition.digest, dtype=np.uint8))

    def change(self, gone: Sequence[str], new: Sequence[str]) -> None:
        """Write one more edition, in the transaction that changed the tables.

        Args:
            gone: Assets that are no more, or no more as they were.
            new: Assets that were loaded.
        """
        books = self._books()
        if not books:
            return
        hashes, dead = self._array(HASHES), self._array(GONE)
        row = self._connection.execute(query("hashes_of"), {"ids": list(gone)}).fetchone()
        wanted = np.array(row[0] if row and row[0] else [], dtype=np.int64)
        there = np.setdiff1d(np.flatnonzero(np.isin(hashes, wanted)), dead)
        edition = Edition(self._connection, self._last_edition() + 1)
        edition.add(GONE, 0, there.astype(TYPES[GONE]))
        end = len(hashes) + self._number(len(hashes), new)
        for block, start in enumerate(range(len(hashes), end, self._block)):
            self._write_block(edition, block, start, books)
        values = self._array(part_of(VIEWS, BOOK))
        if len(values):
            steps = Steps.from_bytes(values.tobytes(), self._dim)
            ViewCodesWriter(self._connection, self._dim, edition).write_some(steps, len(hashes), end)
        edition.add(IDENTITY, 0, np.frombuffer(edition.digest, dtype=np.uint8))

    def _number(self, first: int, only: Sequence[str] | None) -> int:
        """Give assets that have vectors numbers from the first on, for this transaction; how many there are."""
        self._connection.execute(query("make_numbered"))
        count = self._connection.execute(query("number_assets"), {"first": first, "only": _list(only)}).rowcount
        self._connection.execute(query("index_numbered"))
        self._connection.execute(query("analyze", table=sql.Identifier("numbered")))
        return count

    def _write_block(self, edition: Edition, block: int, start: int, books: Mapping[str, Book]) -> None:
        between = {"first": start, "last": start + self._block - 1}
        rows = self._connection.execute(query("numbered_assets"), between, binary=True).fetchall()
        ids, hashes, labels, *figures = zip(*rows, strict=True)
        for part, content in asset_parts(ids, hashes, labels, list(zip(*figures, strict=True))).items():
            edition.add(part, block, content)
        for column, book in books.items():
            numbers, vectors = self._vectors(column, {**between, "step": 1})
            edition.add(part_of(column, ROWS), block, numbers)
            lists, coarse = book.coarse(vectors)
            edition.add(part_of(column, LISTS), block, lists)
            edition.add(part_of(column, COARSE), block, coarse)
            edition.add(part_of(column, FINE), block, book.steps.codes(vectors))

    def _learn(self, column: str, assets: int) -> Book | None:
        """A book of a column's vectors; None where they are too few."""
        row = self._connection.execute(query("count_rows", table=sql.Identifier(TABLES[column]))).fetchone()
        count = row[0] if row else 0
        if count < FEWEST:
            return None
        _, sample = self._vectors(column, {"first": 0, "last": assets, "step": -(-count // _fewer(SAMPLED, self._dim))})
        return Book.learn(sample, lists_for(count))

    def _vectors(self, column: str, values: Mapping[str, int]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Numbers of assets, and their vectors of a column, shape ``(n, dim)``, without those that have none."""
        asked = query(
            "numbered_vectors",
            table=sql.Identifier(TABLES[column]),
            column=sql.Identifier(column),
            other=sql.Identifier(OTHERS[column]),
        )
        told = self._connection.execute(asked, values, binary=True).fetchone()
        numbers, vectors = numbered(told[0] if told else None, self._dim)
        return numbers, vectors.astype(np.float32)

    def _books(self) -> dict[str, Book]:
        parts = {column: self._array(part_of(column, BOOK)) for column in COLUMNS}
        return {column: Book.from_bytes(part.tobytes(), self._dim) for column, part in parts.items() if len(part)}

    def _array(self, part: str) -> NDArray[Any]:
        """A part of all editions, one after the other."""
        blocks = self._connection.execute(query("code_blocks"), {"part": part}, binary=True).fetchall()
        return np.frombuffer(b"".join(content for (content,) in blocks), dtype=TYPES[part.rpartition("/")[2]])

    def _last_edition(self) -> int:
        row = self._connection.execute(query("last_edition")).fetchone()
        return row[0] if row and row[0] is not None else 0


def _list(only: Sequence[str] | None) -> list[str] | None:
    return None if only is None else list(only)


def _fewer(vectors: int, dim: int) -> int:
    """So many vectors, but no more bytes than of vectors that are not long."""
    return vectors * LONG // max(dim, LONG)
