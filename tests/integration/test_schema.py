"""The tables: how they are made, and what readers and publishers do with versions that have other ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tests.crowd import DIM, Crowd
from tests.toy import publish_toys

from meshseek.errors import DatabaseVersionError
from meshseek.pipeline.clean import clean
from meshseek.pipeline.publish import is_outdated, publish
from meshseek.reporting import SilentReporter
from meshseek.search.filters import conditions
from meshseek.store.indexes import INDEXES
from meshseek.store.postgres import Connection, Server
from meshseek.store.queries import query, read_sql
from meshseek.store.read.library import Library, Request
from meshseek.store.schema import CURRENT
from meshseek.store.write.publisher import create_tables
from meshseek.workspace.workspace import Workspace

NUMBERED = {
    2: "63c082609e4f1000",
    4: "99f1d3758e44d278",
    5: "4416f5e30eea635e",
    6: "4416f5e30eea635e",
    7: "b9705d2d65891e24",
}
"""What ``schema.sql`` was at each number; under 3 it was changed, so that number says nothing.

With 6, codes have another form; with 7, there is the table of the catalogue.
"""
STORAGE = """
SELECT attstorage FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'one'::regnamespace AND relkind = 'r' AND format_type(atttypid, NULL) = 'halfvec'
  AND relname <> 'world'
"""
"""Of all that searches read; the world is read once for each version."""
OLD_TABLES = (
    "ALTER TABLE live.assets DROP COLUMN digest",
    "ALTER TABLE live.text_embeddings DROP COLUMN labels",
    "DROP TABLE live.tunings, live.asset_words, live.labels, live.percentiles",
    "ALTER TABLE live.spaces RENAME COLUMN index_kind TO kind",
    "ALTER TABLE live.spaces DROP COLUMN content",
    "UPDATE live.spaces SET schema_version = 1",
)
AGAIN = r"^'toy' was published by another version of Meshseek; run 'meshseek publish --algorithm toy' again$"


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    """A connection to an empty database with pgvector."""
    server.create_database("empty")
    with server.connect("empty") as opened:
        yield opened


@pytest.fixture
def library(published_toys: Workspace, server: Server) -> Iterator[Library]:
    """The published toys, open for reading before anything happens to them."""
    opened = Library(server, "toy")
    opened.published()
    yield opened
    opened.close()


@pytest.mark.parametrize(("dim", "storage"), [(64, "p"), (1152, "p"), (1995, "p"), (1996, "e"), (4000, "e")])
def test_vectors_stay_in_their_rows_as_long_as_they_fit(connection: Connection, dim: int, storage: str) -> None:
    """Two vectors of 1,995 dimensions fit into a page beside a long id; longer ones may go out of line."""
    connection.execute("CREATE SCHEMA one")
    connection.execute(query("use_schema"), {"schemas": "one, public"})
    create_tables(connection, dim)
    assert connection.execute(STORAGE).fetchall() == [(storage,)] * 4

    vector = "[" + ",".join(["0.5"] * dim) + "]"
    connection.execute("INSERT INTO text_embeddings VALUES (repeat('x', 500), %s, %s, 1)", [vector, vector])
    assert connection.execute("SELECT count(*) FROM text_embeddings").fetchone() == (1,)


def test_other_tables_have_another_number() -> None:
    """Who changes ``schema.sql`` raises the number in ``schema.py``, and notes the digest here."""
    statements = [line for line in read_sql("schema.sql").splitlines() if line and not line.startswith("--")]
    assert hashlib.sha256("\n".join(statements).encode()).hexdigest()[:16] == NUMBERED[CURRENT]


def test_a_version_of_an_older_meshseek_is_published_again(
    library: Library, published_toys: Workspace, server: Server
) -> None:
    """Readers say so, those that were open and new ones; after the cure that they name, all of them answer."""
    with server.connect("toy") as connection:
        connection.execute("UPDATE live.spaces SET schema_version = %s", [CURRENT - 1])
    other = Library(server, "toy")
    for refused in (library.published, other.published, lambda: other.asset("toys/000")):
        with pytest.raises(DatabaseVersionError, match=AGAIN):
            refused()

    assert publish_toys(published_toys, server).done == 40
    for opened in (library, other):
        assert opened.published().assets == 40
        assert opened.asset("toys/000").asset_id == "toys/000"
    other.close()


def test_a_version_of_a_newer_meshseek_is_neither_read_nor_replaced(
    library: Library, published_toys: Workspace, server: Server
) -> None:
    """Searching, publishing, cleaning and checking say which one it was, and leave it as it is."""
    with server.connect("toy") as connection:
        connection.execute("UPDATE live.spaces SET schema_version = %s", [CURRENT + 1])
    refused: list[Callable[[], object]] = [
        library.published,
        lambda: publish_toys(published_toys, server),
        lambda: clean(published_toys, server, ["toy"], dry_run=False),
        lambda: is_outdated("toy", published_toys, server, index_kind="hnsw", max_assets=None),
    ]

    for ask in refused:
        with pytest.raises(DatabaseVersionError, match=rf"newer Meshseek \(tables {CURRENT + 1}; this one knows"):
            ask()
    with server.connect("toy") as connection:
        assert connection.execute("SELECT schema_version FROM live.spaces").fetchone() == (CURRENT + 1,)


def test_a_version_with_other_tables_is_replaced_in_one_step(
    library: Library, published_toys: Workspace, server: Server
) -> None:
    """Publishing asks nothing of tables that it does not know; while it goes on they stay as they are."""
    with server.connect("toy") as connection:
        for statement in OLD_TABLES:
            connection.execute(statement.encode())
    with pytest.raises(DatabaseVersionError, match=AGAIN):
        Library(server, "toy").published()

    assert publish_toys(published_toys, server).done == 40
    assert library.published().assets == 40
    with server.connect("toy") as connection:
        left = connection.execute("SELECT to_regnamespace('retired'), to_regnamespace('incoming')").fetchone()
    assert left == (None, None)


def test_a_reader_changes_nothing(published_toys: Workspace, server: Server) -> None:
    """What was published is left as it is, also where it cannot be read."""
    with server.connect("toy") as connection:
        connection.execute("UPDATE live.spaces SET schema_version = 999")
        before = connection.execute("SELECT * FROM live.spaces").fetchall()
        with pytest.raises(DatabaseVersionError):
            Library(server, "toy").published()
        assert connection.execute("SELECT * FROM live.spaces").fetchall() == before


@pytest.fixture
def role(conninfo: str) -> Iterator[str]:
    """A role that may do nothing yet."""
    name = f"reader_{uuid4().hex[:12]}"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name


def let_read(server: Server, algorithm: str, role: str) -> None:
    """What docs/how-to/large-libraries.md says."""
    with server.connect(algorithm) as connection:
        for grant in (
            "GRANT USAGE ON SCHEMA live TO {}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA live TO {}",
            "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {}",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {}",
        ):
            connection.execute(sql.SQL(grant).format(sql.Identifier(role)))


def drop_role(server: Server, algorithm: str, role: str) -> None:
    """Take away what it may do, and the role."""
    with server.connect(algorithm) as connection:
        for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
            connection.execute(sql.SQL(statement).format(sql.Identifier(role)))


@pytest.mark.parametrize("kind", INDEXES.names)
@pytest.mark.parametrize("transactions", ["on", "off"])
def test_who_may_only_read_can_serve(  # fixtures
    server: Server, conninfo: str, workspace: Workspace, role: str, kind: str, transactions: str
) -> None:
    """All that a service asks, by every kind of index, and again after the next publication."""
    crowd = Crowd.of(120)
    crowd.write(workspace)
    publish("crowd", workspace, server, index_kind=kind, max_assets=100, reporter=SilentReporter())
    let_read(server, "crowd", role)
    with server.connect("crowd") as connection:  # as on a hot standby, or not
        reading = sql.Identifier(role)
        connection.execute(
            sql.SQL("ALTER ROLE {} SET default_transaction_read_only = {}").format(reading, transactions)
        )
    address = make_conninfo(conninfo, user=role)
    library = Library(Server(lambda: address, server.database_name("").removesuffix("_embeddings")), "crowd")
    vector = (np.ones(DIM) / np.sqrt(DIM)).astype(np.float32)
    try:
        for count in (100, 120):
            publish("crowd", workspace, server, index_kind=kind, max_assets=count, reporter=SilentReporter())
            published = library.published()
            library.read_into_memory()
            for filters in ({}, {"tags": "even", "faces": {"min": 1}}):
                request = Request(limit=10, conditions=conditions(filters))
                assert len(library.nearest_views(published, vector, request)) == 10
                columns = ("english_embedding", "chinese_embedding")
                assert len(library.nearest_captions(published, vector, columns, request)) == 10
                assert library.with_words(published, "number", request)
            name = next(iter(crowd.views))
            assert library.asset(name).asset_id == name
            assert {*library.own_vectors(name)} >= {"appearance"}
            assert library.facet("tags")
            assert published.assets == count
    finally:
        library.close()
        drop_role(server, "crowd", role)
