"""Exact answers to many queries by one pass over all vectors of a version.

One query after the other, comparing with eight million views takes some ten seconds each. Here each vector is read once
and multiplied with all queries together: then reading costs next to nothing, and the product is as fast as the machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from pgvector import HalfVector
from psycopg import sql
from psycopg.rows import dict_row

from meshseek.model import Ranked
from meshseek.store.ahead import read_ahead
from meshseek.store.postgres import Connection
from meshseek.store.queries import Query, Statement, query
from meshseek.store.read.best import Best
from meshseek.store.read.published import Published, Target, VersionChangedError
from meshseek.store.read.rows import ranking_of
from meshseek.store.read.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.read.reader import Reader

    Block = tuple[Sequence[str], NDArray[np.float16]]

BYTES: Final = 16_000_000
"""Of vectors that are read at a time."""
PAGE_BYTES: Final = 8192
LEAST_ROW: Final = 44
"""Bytes that a row takes beside a vector at least."""
LONGEST_INSIDE: Final = 2000
"""Longer vectors do not fit into a page and lie elsewhere: then many rows are in one page."""
CELLS: Final = 4_000_000
"""Scores that are in memory at a time: vectors times queries."""
FIRST_CELLS: Final = 500_000
"""The same at the beginning, when every score is one of the best so far."""
SPARE: Final = 54
"""Assets that are kept of each query beyond what is asked for, among which near ties are told apart."""
CLOSE: Final = 2e-5
"""Cosines that differ by less may have changed places: sums of singles in two orders differ by some 1e-6."""
SCORES: Final = {"caption": "caption_scores", "appearance": "view_scores"}
"""Queries for the cosines of some assets as every search tells them."""
HEAD: Final = 4
"""Bytes before the halves of a vector, as it is sent: its dimension, and nothing."""


class Exact(Protocol):
    """Finds exact answers to some queries."""

    def by(
        self,
        target: Target,
        columns: tuple[str, str],
        answers: list[list[Ranked]],
        among: Collection[str] | None = None,
    ) -> Iterator[int]:
        """See :meth:`ExactAnswers.by`."""


class ExactAnswers:
    """The exact answers of one version to some queries, as ``captions_exact`` and ``views_exact`` give them.

    Assets are distinct, scored by their best view, and equal scores are ordered by id. Scores are cosines, within 1e-6
    of what the server says. Where more than :data:`SPARE` assets are as near as the last one, some of them are given:
    the first ids among all equals would take a query of its own over everything.

    Args:
        reader: Of the library.
        published: The version.
        vectors: Queries of unit length, shape ``(queries, dim)``.
        limit: Assets for each query.
    """

    def __init__(self, reader: Reader, published: Published, vectors: NDArray[np.float32], limit: int) -> None:
        self._reader, self._published, self._limit = reader, published, limit
        self._vectors = vectors
        asked = vectors.astype(np.float16).astype(np.float32)  # the server is asked with halves
        self._asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)

    def by(
        self,
        target: Target,
        columns: tuple[str, str],
        answers: list[list[Ranked]],
        among: Collection[str] | None = None,
    ) -> Iterator[int]:
        """Find the answers in one pass; each step gives the number of vectors that were compared.

        All rows are seen as they are when it begins. It needs some 500 MB, however large the library is.

        Args:
            target: What is compared with.
            columns: The caption column that is compared, and the one that stands in for it.
            answers: An empty list, which has the ranking of each query at the end.
            among: Ids of the only assets that are compared; None for all.

        Raises:
            VersionChangedError: Another version is live.
            DatabaseError: The database cannot be asked.
        """
        best = Best(len(self._asked), self._limit + SPARE)
        step = max(1, FIRST_CELLS // max(1, len(self._asked)))
        with self._reader.snapshot() as connection:
            with closing(read_ahead(self._blocks(connection, target, columns))) as blocks:
                for block in blocks:
                    ids, vectors = block if among is None else _those(block, among)
                    for start in range(0, len(ids), step):
                        part = slice(start, start + step)
                        best.add(ids[part], _to_unit(vectors[part]) @ self._asked.T)
                    step = max(step, min(2 * step, CELLS // max(1, len(self._asked))))
                    yield len(block[0])
            text = statement(SCORES[target], columns)
            for vector, kept in zip(self._vectors, best.rankings(), strict=True):
                answers.append(self._settled(connection, text, (target, vector), kept))
            self._expect(_rows(connection, query("content_seen"), {}))

    def _blocks(self, connection: Connection, target: Target, columns: tuple[str, str]) -> Iterator[Block]:
        """Ids and vectors as they lie in the table."""
        name, vector = _where(target, columns)
        table = sql.Identifier(name)
        (pages,) = _rows(connection, query("pages", table=sql.Literal(name)), {})
        each = pages_at_a_time(self._published.space.dim)
        for first in range(0, pages["pages"], each):
            asked = query("vectors_in_pages", table=table, vector=vector)
            bounds = {"first": f"({first},0)", "last": f"({first + each},0)"}
            row = self._expect(_rows(connection, asked, bounds))
            if row["ids"]:
                yield row["ids"], _halves(row["vectors"], len(row["ids"]))

    def _expect(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The one row, of the version that is meant.

        Raises:
            VersionChangedError: It is of another one, or not there.
        """
        if not rows or rows[0]["content"] != self._published.content:
            raise VersionChangedError
        return rows[0]

    def _settled(
        self,
        connection: Connection,
        text: Statement,
        asked: tuple[Target, NDArray[np.float32]],
        kept: Sequence[tuple[str, float]],
    ) -> list[Ranked]:
        """The ranking of one query; near ties are told apart by the server."""
        target, vector = asked
        scores = np.array([score for _, score in kept])
        if not (scores[:-1] - scores[1:] < CLOSE)[: self._limit].any():
            return [Ranked(asset_id=asset_id, score=score) for asset_id, score in kept[: self._limit]]
        near = int((scores >= scores[: self._limit][-1] - CLOSE).sum())
        values = {"vector": HalfVector(vector), "ids": [asset_id for asset_id, _ in kept[:near]]}
        ranking = ranking_of(_rows(connection, text, values), target)
        return sorted(ranking, key=lambda each: (-each.score, each.asset_id))[: self._limit]


def pages_at_a_time(dim: int) -> int:
    """Pages that hold no more than :data:`BYTES` of vectors, or one page."""
    inside = 2 * dim if dim < LONGEST_INSIDE else 0
    rows = PAGE_BYTES // (inside + LEAST_ROW) + 1
    return max(1, BYTES // (2 * dim * rows))


def _those(block: Block, among: Collection[str]) -> Block:
    """The part of a block that is of some assets."""
    ids, vectors = block
    kept = [place for place, asset_id in enumerate(ids) if asset_id in among]
    return [ids[place] for place in kept], vectors[kept]


def _where(target: Target, columns: tuple[str, str]) -> tuple[str, sql.Composable]:
    """The table, and the vector in it."""
    if target == "appearance":
        return "image_embeddings", sql.Identifier("embedding")
    column, other = map(sql.Identifier, columns)
    return "text_embeddings", query("caption_or_other", column=column, other=other)


def _rows(connection: Connection, asked: Query | Statement, values: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(asked, values, binary=True).fetchall()


def _halves(content: bytes, rows: int) -> NDArray[np.float16]:
    """Vectors as the server sends them one after the other, shape ``(rows, dim)``."""
    sent = np.frombuffer(content, dtype=">i2").reshape(rows, -1)[:, HEAD // 2 :]
    halves: NDArray[np.float16] = sent.astype(np.int16).view(np.float16)
    return halves


def _to_unit(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """The same in single precision and of unit length; a vector of zeros has no direction, and is not a number."""
    singles: NDArray[np.float32] = vectors.astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", singles, singles))
    with np.errstate(invalid="ignore", divide="ignore"):
        singles /= lengths[:, None]
    return singles
