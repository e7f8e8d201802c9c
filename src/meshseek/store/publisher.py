"""Loads a new version of one algorithm beside the live one, then switches to it in one step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg import sql

from meshseek.errors import DatabaseError, NotPublishedError
from meshseek.language import bigrams, without_han
from meshseek.model import Asset, Space
from meshseek.store.building import Watcher, build_graphs, check_room
from meshseek.store.copying import HEADER, TRAILER, Column, Numbers, Vectors, pack_rows
from meshseek.store.indexes import INDEXES
from meshseek.store.labels import LabelBook
from meshseek.store.migrate import CURRENT
from meshseek.store.postgres import Connection, Server, translated
from meshseek.store.queries import query, read_sql

if TYPE_CHECKING:
    from numpy.typing import NDArray

INCOMING, LIVE, RETIRED = (sql.Identifier(name) for name in ("incoming", "live", "retired"))
TABLES = ("assets", "text_embeddings", "image_embeddings", "asset_centroids", "asset_words", "labels")
VECTOR_COLUMNS = (
    ("text_embeddings", "english_embedding"),
    ("text_embeddings", "chinese_embedding"),
    ("image_embeddings", "embedding"),
    ("asset_centroids", "centroid"),
)
FILTERED = ("text_embeddings", "asset_centroids")
"""Tables that are asked with filters."""
PAGE_BYTES = 8000
"""A row that stays inside its page may hold so much."""


@dataclass(frozen=True, slots=True)
class Captions:
    """Caption vectors of some assets, float16 of shape ``(assets, dim)``; a row counts where its flag is set."""

    ids: Sequence[str]
    english: NDArray[np.float16]
    has_english: NDArray[np.bool_]
    chinese: NDArray[np.float16]
    has_chinese: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Views:
    """View vectors, float16 of shape ``(views, dim)``; ``has_viewpoint`` is false where a vector stands for all views."""

    ids: Sequence[str]
    viewpoints: NDArray[np.int16]
    has_viewpoint: NDArray[np.bool_]
    vectors: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Centroids:
    """Unit means of the views of some assets, float16 of shape ``(assets, dim)``, and their spreads."""

    ids: Sequence[str]
    centroids: NDArray[np.float16]
    spreads: NDArray[np.float32]


class Publisher:
    """One publishing session of one algorithm: load, finish, switch.

    Raises:
        DatabaseError: Another process is publishing the same algorithm, or the database refuses.
    """

    def __init__(self, connection: Connection, space: Space, watcher: Watcher) -> None:
        self._connection = connection
        self._space = space
        self._watcher = watcher
        self._book = LabelBook()

    @contextmanager
    def loading(self, *, vectors: int, graph_vectors: int) -> Iterator[None]:
        """Make the tables and load them in one transaction: where it fails nothing is left, and no log is written.

        Args:
            vectors: How many will come at most.
            graph_vectors: How many of them will be in an index.

        Raises:
            DatabaseError: The disk cannot hold them.
        """
        check_room(self._connection, vectors=vectors, graph_vectors=graph_vectors, dim=self._space.dim)
        with self._connection.transaction():
            self._connection.execute(query("create_schema", schema=INCOMING))
            create_tables(self._connection, self._space.dim)
            yield

    def load_assets(self, assets: Sequence[Asset]) -> int:
        """Load the assets, before their vectors; returns how many."""
        count = 0
        statement = "COPY assets FROM STDIN (FREEZE)"
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for count, asset in enumerate(assets, 1):  # noqa: B007  # the count is the answer
                copy.write_row(_asset_row(asset))
                self._book.add(asset.asset_id, asset.attributes)
        self._load_words(assets)
        for table, rows in (("labels", self._book.rows()), ("percentiles", self._book.percentiles())):
            copying = sql.SQL("COPY {} FROM STDIN (FREEZE)").format(sql.Identifier(table))
            with self._connection.cursor() as cursor, cursor.copy(copying) as copy:
                for row in rows:
                    copy.write_row(row)
        return count

    def _load_words(self, assets: Iterable[Asset]) -> None:
        self._connection.execute(query("make_word_texts"))
        with self._connection.cursor() as cursor, cursor.copy("COPY pg_temp.word_texts FROM STDIN") as copy:
            for asset in assets:
                copy.write_row((asset.asset_id, *_word_texts(asset)))
        self._connection.execute(query("turn_into_words"))

    def load_captions(self, batches: Iterable[Captions]) -> None:
        """Load caption vectors."""

        def columns(batch: Captions) -> list[Column]:
            english, chinese = Vectors(batch.english, batch.has_english), Vectors(batch.chinese, batch.has_chinese)
            return [english, chinese, self._dims(len(batch.ids)), *self._book.columns(batch.ids)]

        self._copy("text_embeddings", ((batch.ids, columns(batch)) for batch in batches))

    def load_views(self, batches: Iterable[Views]) -> None:
        """Load view vectors."""

        def columns(batch: Views) -> list[Column]:
            viewpoints = Numbers(batch.viewpoints, ">i2", batch.has_viewpoint)
            return [viewpoints, Vectors(batch.vectors), self._dims(len(batch.ids))]

        self._copy("image_embeddings", ((batch.ids, columns(batch)) for batch in batches))

    def load_centroids(self, batches: Iterable[Centroids]) -> None:
        """Load the centroids of views."""

        def columns(batch: Centroids) -> list[Column]:
            return [Vectors(batch.centroids), Numbers(batch.spreads, ">f4"), *self._book.columns(batch.ids)]

        self._copy("asset_centroids", ((batch.ids, columns(batch)) for batch in batches))

    def _dims(self, rows: int) -> Column:
        return Numbers(np.full(rows, self._space.dim), ">i4")

    def finish(self, index_kind: str, content: str) -> dict[str, int]:
        """Describe the version, build its indexes, and make it the live one in one step; returns its counts."""
        description = {**asdict(self._space), "index_kind": index_kind, "content": content, "schema_version": CURRENT}
        names = ("assets", "english_captions", "chinese_captions", "views")
        row = self._connection.execute(query("insert_space"), description).fetchone()
        assert row is not None
        counts = dict(zip(names, row, strict=True))
        graphs = INDEXES.load(index_kind)().graphs(chinese=counts["chinese_captions"] > 0)
        build_graphs(self._connection, graphs, self._space.dim, self._watcher)
        self._connection.execute(query("index_views_by_asset"))
        self._connection.execute(query("index_words"))
        for table in FILTERED:
            self._connection.execute(query("index_labels", table=sql.Identifier(table)))
            for name, _, _ in self._book.percentiles():
                column = sql.Identifier(name)
                self._connection.execute(query("index_number", table=sql.Identifier(table), column=column))
        for table in TABLES:
            self._connection.execute(query("analyze", table=sql.Identifier(table)))
        self._switch(description)
        return counts

    def _switch(self, description: Mapping[str, Any]) -> None:
        with self._connection.transaction():
            row = self._connection.execute(query("schema_exists"), {"schema": "live"}).fetchone()
            if row and row[0]:
                tuned = self._connection.execute(query("tunings_exist")).fetchone()
                if tuned and tuned[0]:
                    self._connection.execute(query("inherit_tunings"), description)
                self._connection.execute(query("rename_schema", schema=LIVE, new_name=RETIRED))
            self._connection.execute(query("rename_schema", schema=INCOMING, new_name=LIVE))
        self._connection.execute(query("drop_schema", schema=RETIRED))

    def _copy(self, table: str, batches: Iterable[tuple[Sequence[str], Sequence[Column]]]) -> None:
        """Send rows while the next ones are read and packed."""
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY, FREEZE)").format(sql.Identifier(table))
        pieces = (piece for ids, columns in batches for piece in pack_rows(ids, columns))
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(HEADER)
            for piece in _one_ahead(pieces):
                copy.write(piece)
            copy.write(TRAILER)


@contextmanager
def publishing(server: Server, algorithm: str, space: Space, watcher: Watcher) -> Iterator[Publisher]:
    """Make room for a new version; the live one stays as it is until :meth:`Publisher.finish`.

    Raises:
        DatabaseError: Another process is publishing the same algorithm, or the database refuses.
    """
    server.create_database(algorithm)
    with translated(), server.connect(algorithm) as connection:
        row = connection.execute(query("lock_publishing")).fetchone()
        if not row or not row[0]:
            raise DatabaseError(f"another process is publishing '{algorithm}'; wait until it ends")
        connection.execute("SET client_connection_check_interval = '2s'")  # else a killed process keeps the lock
        for schema in (INCOMING, RETIRED):
            connection.execute(query("drop_schema", schema=schema))
        connection.execute(query("use_schema"), {"schemas": "incoming, public"})
        yield Publisher(connection, space, watcher)


def create_tables(connection: Connection, dim: int) -> None:
    """Make the tables of ``schema.sql`` in the schema that is first in the search path."""
    connection.execute(sql.SQL(read_sql("schema.sql")).format(dim=sql.Literal(dim)))
    if 2 * (2 * dim + 8) < PAGE_BYTES:
        for table, column in VECTOR_COLUMNS:
            connection.execute(query("store_plainly", table=sql.Identifier(table), column=sql.Identifier(column)))


def published_content(server: Server, algorithm: str) -> str | None:
    """Digest of what is published now; None where nothing is."""
    try:
        with server.connect(algorithm) as connection, translated():
            row = connection.execute(query("content")).fetchone()
    except NotPublishedError:
        return None
    return row[0] if row else None


def _asset_row(asset: Asset) -> Sequence[Any]:
    views = asset.views
    return (
        asset.asset_id,
        list(asset.captions_english),
        list(asset.captions_chinese),
        asset.model,
        str(views.folder) if views else None,
        list(views.viewpoint_ids) if views else [],
        json.dumps(dict(asset.attributes), ensure_ascii=False),
    )


def _word_texts(asset: Asset) -> tuple[str, str]:
    """What an asset is called, in any language: as it is, and its Chinese as pairs of characters."""
    named = [value for name in ("name", "category", "tags") for value in _strings(asset.attributes.get(name))]
    english = "\n".join((*asset.captions_english, *named))
    return without_han(english), " ".join(map(bigrams, (*asset.captions_chinese, *asset.captions_english, *named)))


def _strings(value: object) -> list[str]:
    found = value if isinstance(value, list | tuple) else [value]
    return [own for own in found if isinstance(own, str)]


def _one_ahead(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
    with ThreadPoolExecutor(1) as reader:
        upcoming = reader.submit(next, pieces, None)
        while (piece := upcoming.result()) is not None:
            upcoming = reader.submit(next, pieces, None)
            yield piece
