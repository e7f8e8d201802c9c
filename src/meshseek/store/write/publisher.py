"""Publishes an algorithm: a new version beside the live one and a switch in one step, or a change of the live one."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from meshseek.errors import DatabaseError
from meshseek.model import Space
from meshseek.reporting import Reporter
from meshseek.store.indexes import INDEXES
from meshseek.store.memory import read_into_memory
from meshseek.store.postgres import Connection, Server, translated
from meshseek.store.queries import query, read_sql
from meshseek.store.read.library import Library
from meshseek.store.read.reader import OneConnection
from meshseek.store.schema import CURRENT, refuse_newer
from meshseek.store.write.codes import CodesWriter
from meshseek.store.write.description import Calibrate, Calibration, calibrated, describe
from meshseek.store.write.index_build import PUBLISHED_ASSET_BYTES, build_graphs, build_plain, check_room, vector_bytes
from meshseek.store.write.leftovers import INCOMING, RETIRED, drop_leftovers
from meshseek.store.write.live import Digests, digests_of, live_schema
from meshseek.store.write.loading import Loader
from meshseek.store.write.way import give_way

LIVE = sql.Identifier("live")
ASSET_TABLES = ("assets", "text_embeddings", "image_embeddings", "asset_centroids", "asset_words", "listed")
VECTOR_COLUMNS = (
    ("text_embeddings", "english_embedding"),
    ("text_embeddings", "chinese_embedding"),
    ("image_embeddings", "embedding"),
    ("asset_centroids", "centroid"),
)
STANDING = 500
"""Assets with captions, and as many with views, that stand for all."""
PAGE_BYTES = 8000
"""A row that stays inside its page may hold so much."""


class Publisher:
    """One publishing session of one algorithm.

    Raises:
        DatabaseError: Another process is publishing the same algorithm, or the database refuses.
    """

    def __init__(self, server: Server, algorithm: str, connection: Connection, space: Space, watcher: Reporter) -> None:
        self._server, self._algorithm = server, algorithm
        self.connection = connection
        """Its names without a schema mean the new version."""
        self.space = space
        self._watcher = watcher

    @contextmanager
    def loading(
        self, *, assets: int, vectors: int, views: int, graph_vectors: int, index_kind: str = "exact"
    ) -> Iterator[Loader]:
        """Make the tables of a new version and load them in one transaction: where it fails nothing is left.

        Args:
            assets: How many will come at most.
            vectors: Likewise.
            views: How many of these are of views.
            graph_vectors: How many will be in graphs, or have codes; one that is in two counts twice.
            index_kind: What graphs will be built; none, unless said.

        Raises:
            DatabaseError: The disk cannot hold them.
        """
        dim = self.space.dim
        node = INDEXES.load(index_kind)().node(dim)
        of_vectors = vectors * vector_bytes(dim) + views * node.view + graph_vectors * node.disk
        check_room(self.connection, assets * PUBLISHED_ASSET_BYTES + of_vectors)
        with self.connection.transaction():
            self.connection.execute(query("create_schema", schema=INCOMING))
            create_tables(self.connection, dim)
            yield Loader(self.connection, self.space, new=True)

    def finish(
        self, index_kind: str, content: str, world: str, calibrate: Calibrate, codes: Path | None = None
    ) -> dict[str, int]:
        """Describe the new version, build its indexes, calibrate it, and make it the live one in one step.

        Args:
            index_kind: What it is asked by.
            content: Digest of what it is made from.
            world: Fingerprint of its world.
            calibrate: Given the version, tells how its scores are to be read.
            codes: Folder of files of codes that searching processes share; its own is there when it goes live.

        Returns:
            Its counts.
        """
        description = describe(self.space, index_kind, content, world)
        counts = self.describe(description)
        self.build(index_kind, chinese=counts["chinese_captions"] > 0)
        library = self.library(codes)
        with closing(library):
            self.keep(calibrated(library, calibrate, description, counts))
            self.switch(inherit=description)
            library.go_live()
        return counts

    def describe(self, description: Mapping[str, Any]) -> dict[str, int]:
        """Let the new version, which is loaded, describe itself; gives its counts."""
        counts = self._described(query("insert_space"), description)
        self.connection.execute(query("fill_background"), {"assets": STANDING})
        return counts

    def library(self, codes: Path | None, shards: int = 1) -> Library:
        """The new version, which is not live yet, open for reading.

        Args:
            codes: Folder of files of codes that searching processes share.
            shards: How many such versions hold the whole library together.
        """
        reader = OneConnection(self.connection)
        return Library(self._server, self._algorithm, reader, codes, is_live=False, shards=shards)

    def adopt(self, index_kind: str, *, chinese: bool) -> None:
        """Build the indexes of a new version that was loaded with all that it says of itself, and make it the live one.

        Args:
            index_kind: What it is asked by.
            chinese: Whether it has Chinese captions.
        """
        self.build(index_kind, chinese=chinese)
        self.switch()

    def build(self, index_kind: str, *, chinese: bool) -> None:
        """Build the indexes of the new version."""
        index = INDEXES.load(index_kind)()
        dim = self.space.dim
        index.prepare(self.connection, dim)
        graphs = index.graphs(chinese=chinese, dim=dim)
        build_graphs(self.connection, graphs, dim, index.node(dim), self._watcher)
        if index.has_codes:
            CodesWriter(self.connection, dim).write_all(chinese=chinese, watcher=self._watcher)
        build_plain(self.connection)
        self._analyze()
        read_into_memory(self.connection, "incoming")

    def keep(self, calibration: Calibration) -> None:
        """Note how the scores of the new version are to be read."""
        self.connection.execute(query("keep_trust"), {"trust": calibration.trust, "found": calibration.found})
        for (target, kind), thresholds in calibration.thresholds.items():
            values = {"target": target, "kind": kind, **asdict(thresholds)}
            self.connection.execute(query("keep_calibration"), values)

    def changed_in_place(self) -> int:
        """How many assets of the live version were changed since it was published as a whole."""
        row = self.connection.execute(query("changed")).fetchone()
        return row[0] if row else 0

    def is_of_kind(self, index_kind: str, world: str, *, chinese: bool) -> bool:
        """Whether the live version can be changed into what is to be published.

        Args:
            index_kind: What the version is to be asked by.
            world: Fingerprint of its world.
            chinese: Whether it is to have Chinese captions, and so a graph of them.
        """
        if live_schema(self.connection) != CURRENT:
            return False
        wanted = {**asdict(self.space), "index_kind": index_kind, "world": world, "chinese": chinese}
        return self.connection.execute(query("is_of_kind"), wanted).fetchone() is not None

    def live_digests(self) -> Generator[Digests]:
        """What each asset of the live version was made from, in parts; to be closed before anything else is asked."""
        return digests_of(self.connection)

    @contextmanager
    def updating(
        self, content: str, gone: Sequence[str], new: Collection[str]
    ) -> Iterator[tuple[Loader, dict[str, int]]]:
        """Change the live version in one transaction: readers see it whole, as it was or as it will be.

        Args:
            content: Digest of what it will be.
            gone: Assets that are removed, or will be loaded anew.
            new: Assets that will be loaded.

        Yields:
            What loads, and a dictionary for the counts, which are known at the end.
        """
        counts: dict[str, int] = {}
        with self.connection.transaction():
            self.connection.execute(query("use_schema"), {"schemas": "live, public"})
            known = self.connection.execute(query("labels")).fetchall()
            for table in ASSET_TABLES:
                self.connection.execute(query("remove_assets", table=sql.Identifier(table)), {"ids": list(gone)})
            for table in ("labels", "percentiles", "background"):
                self.connection.execute(query("empty", table=sql.Identifier(table)))
            yield Loader(self.connection, self.space, new=False, known=known), counts
            self.connection.execute(query("fill_background"), {"assets": STANDING})
            CodesWriter(self.connection, self.space.dim).change(gone, sorted(new))
            changed = len({*new, *gone})
            counts |= self._described(query("update_space"), {"content": content, "changed": changed})
        self._analyze()

    def _described(self, describing: sql.Composed, values: Mapping[str, Any]) -> dict[str, int]:
        names = ("assets", "english_captions", "chinese_captions", "views")
        row = self.connection.execute(describing, values).fetchone()
        assert row is not None
        return dict(zip(names, row, strict=True))

    def _analyze(self) -> None:
        for table in (*ASSET_TABLES, "labels"):
            self.connection.execute(query("analyze", table=sql.Identifier(table)))

    def switch(self, inherit: Mapping[str, Any] | None = None) -> None:
        """Make the new version the live one; it takes over what was measured of the former one, if described so."""
        comparable = live_schema(self.connection) == CURRENT
        with self.connection.transaction():
            if comparable and inherit is not None:
                self.connection.execute(query("inherit_tunings"), inherit)
            row = self.connection.execute(query("schema_exists"), {"schema": "live"}).fetchone()
            if row and row[0]:
                self.connection.execute(query("rename_schema", schema=LIVE, new_name=RETIRED))
            self.connection.execute(query("rename_schema", schema=INCOMING, new_name=LIVE))
        self.connection.execute(query("drop_schema", schema=RETIRED))


@contextmanager
def publishing(server: Server, algorithm: str, space: Space, watcher: Reporter) -> Iterator[Publisher]:
    """Make room for a new version; the live one stays as it is until :meth:`Publisher.finish`.

    Raises:
        DatabaseError: Another process is publishing the same algorithm, or the database refuses.
    """
    with publishing_alone(server, algorithm) as connection:
        refuse_newer(live_schema(connection), algorithm)
        with contextlib.suppress(psycopg.errors.FeatureNotSupported, psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm SCHEMA public")
        give_way(connection)
        drop_leftovers(connection)
        connection.execute(query("use_schema"), {"schemas": "incoming, public"})
        yield Publisher(server, algorithm, connection, space, watcher)


@contextmanager
def publishing_alone(server: Server, algorithm: str) -> Iterator[Connection]:
    """A connection to an algorithm's database, made where it is not there, that keeps others from publishing.

    Raises:
        DatabaseError: Another process is publishing the same algorithm, or the database refuses.
    """
    server.create_database(algorithm)
    with translated(), server.connect(algorithm) as connection:
        row = connection.execute(query("lock_publishing")).fetchone()
        if not row or not row[0]:
            raise DatabaseError(f"another process is publishing '{algorithm}'; wait until it ends")
        connection.execute("SET client_connection_check_interval = '2s'")  # else a killed process keeps the lock
        try:
            yield connection
        finally:
            with contextlib.suppress(psycopg.OperationalError):  # a connection that is lost has no lock
                connection.execute(query("unlock_publishing"))


def create_tables(connection: Connection, dim: int) -> None:
    """Make the tables of ``schema.sql`` in the schema that is first in the search path."""
    connection.execute(sql.SQL(read_sql("schema.sql")).format(dim=sql.Literal(dim)))
    if 2 * (2 * dim + 8) < PAGE_BYTES:
        for table, column in VECTOR_COLUMNS:
            connection.execute(query("store_plainly", table=sql.Identifier(table), column=sql.Identifier(column)))
