"""Loads a new version of one algorithm beside the live one, then switches to it in one step."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from psycopg import sql

from meshseek.errors import DatabaseError, NotPublishedError
from meshseek.model import Asset, Space
from meshseek.store.indexes import INDEXES
from meshseek.store.migrate import CURRENT
from meshseek.store.postgres import Connection, Server, translated
from meshseek.store.queries import query, read_sql

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INCOMING, LIVE, RETIRED = (sql.Identifier(name) for name in ("incoming", "live", "retired"))
VECTOR_COLUMNS = (
    ("text_embeddings", "english_embedding"),
    ("text_embeddings", "chinese_embedding"),
    ("image_embeddings", "embedding"),
    ("asset_centroids", "centroid"),
)
PAGE_BYTES = 8000
"""A row that stays inside its page may hold so much."""
COPY_BYTES = 1 << 20
MAINTENANCE_MEMORY = "512MB"


class Publisher:
    """One publishing session of one algorithm: load, finish, switch.

    Raises:
        DatabaseError: Another process is publishing the same algorithm, or the database refuses.
    """

    def __init__(self, connection: Connection, space: Space) -> None:
        self._connection = connection
        self._space = space

    def load_assets(self, assets: Iterable[Asset]) -> int:
        """Load the assets; returns how many."""
        count = 0
        statement = "COPY assets FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for count, asset in enumerate(assets, 1):  # noqa: B007  # the count is the answer
                copy.write_row(_asset_row(asset))
        return count

    def load_captions(self, rows: Iterable[tuple[str, NDArray[np.float16] | None, NDArray[np.float16] | None]]) -> None:
        """Load caption vectors: asset id, English, Chinese."""
        dim = _integer(self._space.dim)
        self._copy(
            "text_embeddings",
            (
                _row(_text(asset_id), _vector_or_null(english), _vector_or_null(chinese), dim)
                for asset_id, english, chinese in rows
            ),
        )

    def load_views(self, rows: Iterable[tuple[str, int | None, NDArray[np.float16]]]) -> None:
        """Load view vectors: asset id, viewpoint id, vector."""
        dim = _integer(self._space.dim)
        self._copy(
            "image_embeddings",
            (
                _row(_text(asset_id), _NULL if viewpoint is None else _short(viewpoint), _vector(vector), dim)
                for asset_id, viewpoint, vector in rows
            ),
        )

    def load_centroids(self, rows: Iterable[tuple[str, NDArray[np.float16], float]]) -> None:
        """Load centroids: asset id, unit vector, spread."""
        self._copy(
            "asset_centroids",
            (_row(_text(asset_id), _vector(centroid), _real(spread)) for asset_id, centroid, spread in rows),
        )

    def finish(self, index_kind: str, content: str) -> dict[str, int]:
        """Describe the version, build its indexes, and make it the live one in one step; returns its counts."""
        description = {**asdict(self._space), "index_kind": index_kind, "content": content, "schema_version": CURRENT}
        names = ("assets", "english_captions", "chinese_captions", "views")
        row = self._connection.execute(query("insert_space"), description).fetchone()
        assert row is not None
        counts = dict(zip(names, row, strict=True))
        for name in ("index_views_by_asset", "index_attributes"):
            self._connection.execute(query(name))
        INDEXES.load(index_kind)().build(self._connection, chinese=counts["chinese_captions"] > 0)
        for table in ("assets", "text_embeddings", "image_embeddings", "asset_centroids"):
            self._connection.execute(query("analyze", table=sql.Identifier(table)))
        self._switch()
        return counts

    def _switch(self) -> None:
        with self._connection.transaction():
            row = self._connection.execute(query("schema_exists"), {"schema": "live"}).fetchone()
            if row and row[0]:
                self._connection.execute(query("rename_schema", schema=LIVE, new_name=RETIRED))
            self._connection.execute(query("rename_schema", schema=INCOMING, new_name=LIVE))
        self._connection.execute(query("drop_schema", schema=RETIRED))

    def _copy(self, table: str, rows: Iterable[bytes]) -> None:
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table))
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            buffer = bytearray(_HEADER)
            for row in rows:
                buffer += row
                if len(buffer) >= COPY_BYTES:
                    copy.write(bytes(buffer))
                    buffer.clear()
            copy.write(bytes(buffer) + _TRAILER)


@contextmanager
def publishing(server: Server, algorithm: str, space: Space) -> Iterator[Publisher]:
    """Make room for a new version; the live one stays as it is until :meth:`Publisher.finish`.

    Raises:
        DatabaseError: Another process is publishing the same algorithm, or the database refuses.
    """
    server.create_database(algorithm)
    with translated(), server.connect(algorithm) as connection:
        row = connection.execute(query("lock_publishing")).fetchone()
        if not row or not row[0]:
            raise DatabaseError(f"another process is publishing '{algorithm}'; wait until it ends")
        connection.execute(sql.SQL("SET maintenance_work_mem = {}").format(sql.Literal(MAINTENANCE_MEMORY)))
        connection.execute("SET client_connection_check_interval = '2s'")  # else a killed process keeps the lock
        for schema in (INCOMING, RETIRED):
            connection.execute(query("drop_schema", schema=schema))
        connection.execute(query("create_schema", schema=INCOMING))
        connection.execute(query("use_schema"), {"schemas": "incoming, public"})
        create_tables(connection, space.dim)
        yield Publisher(connection, space)


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


# PostgreSQL's binary COPY: a header, then each row as its number of fields, each field with its length before it.
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = struct.pack("!h", -1)
_NULL = struct.pack("!i", -1)


def _row(*fields: bytes) -> bytes:
    return struct.pack("!h", len(fields)) + b"".join(fields)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("!i", len(encoded)) + encoded


def _short(value: int) -> bytes:
    return struct.pack("!ih", 2, value)


def _integer(value: int) -> bytes:
    return struct.pack("!ii", 4, value)


def _real(value: float) -> bytes:
    return struct.pack("!if", 4, value)


def _vector(value: NDArray[np.float16]) -> bytes:
    """The binary form of halfvec: its dimension, a zero, then big-endian halves."""
    return struct.pack("!ihh", 4 + 2 * len(value), len(value), 0) + value.astype(">f2").tobytes()


def _vector_or_null(value: NDArray[np.float16] | None) -> bytes:
    return _NULL if value is None else _vector(value)
