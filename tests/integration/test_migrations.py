"""The schema is what the migrations add up to, and published versions are brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from meshseek.errors import DatabaseError, DatabaseVersionError
from meshseek.store import migrate as migrating
from meshseek.store.migrate import CURRENT, apply
from meshseek.store.postgres import Connection, Server
from meshseek.store.queries import migrations, query
from meshseek.store.read.library import Library
from meshseek.store.write.publisher import VECTOR_COLUMNS, create_tables
from meshseek.workspace.workspace import Workspace

COLUMNS = """
SELECT relname, attname, format_type(atttypid, atttypmod), attstorage, attnotnull, pg_get_expr(adbin, adrelid)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = %s::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
ORDER BY relname, attnum
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = %s::regnamespace ORDER BY 1, 2
"""
INDEXES = "SELECT tablename, indexname, replace(indexdef, %s, '') FROM pg_indexes WHERE schemaname = %s ORDER BY 1, 2"


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    """A connection to an empty database with pgvector."""
    server.create_database("empty")
    with server.connect("empty") as opened:
        yield opened


def shape(connection: Connection, schema: str, make: Callable[[], None]) -> list[tuple[object, ...]]:
    """The catalog's description of what ``make`` makes in a schema of its own."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    connection.execute(query("use_schema"), {"schemas": f"{schema}, public"})
    make()
    columns = connection.execute(COLUMNS, [schema]).fetchall()
    constraints = connection.execute(CONSTRAINTS, [schema]).fetchall()
    return [*columns, *constraints, *connection.execute(INDEXES, [f"{schema}.", schema]).fetchall()]


def add_up(connection: Connection) -> None:
    """The first publication as it was, and then every migration since."""
    apply(connection, 1, 64)
    for table, column in VECTOR_COLUMNS:
        connection.execute(query("store_plainly", table=sql.Identifier(table), column=sql.Identifier(column)))
    for number in range(2, CURRENT + 1):
        apply(connection, number, 64)


def test_the_schema_is_the_sum_of_its_migrations(connection: Connection) -> None:
    """Tables, columns, types, defaults, storage, constraints and indexes are the same either way."""
    schema = shape(connection, "one", lambda: create_tables(connection, 64))
    summed = shape(connection, "two", lambda: add_up(connection))

    assert schema == summed
    assert ("image_embeddings", "embedding", "halfvec(64)", "p", True, None) in schema


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE assets ADD COLUMN extra text",
        "ALTER TABLE assets ALTER COLUMN model SET NOT NULL",
        "ALTER TABLE spaces ALTER COLUMN published_at DROP DEFAULT",
        "ALTER TABLE asset_centroids ALTER COLUMN centroid SET STORAGE EXTERNAL",
        "ALTER TABLE text_embeddings DROP CONSTRAINT text_embeddings_pkey",
        "CREATE INDEX extra ON assets (model)",
    ],
)
def test_a_difference_would_be_seen(connection: Connection, change: str) -> None:
    """The comparison above notices a change of any kind."""

    def make_and_change() -> None:
        create_tables(connection, 64)
        connection.execute(change.encode())

    assert shape(connection, "one", lambda: create_tables(connection, 64)) != shape(connection, "two", make_and_change)


@pytest.mark.parametrize(("dim", "storage"), [(64, "p"), (1152, "p"), (1995, "p"), (1996, "e"), (4000, "e")])
def test_vectors_stay_in_their_rows_as_long_as_they_fit(connection: Connection, dim: int, storage: str) -> None:
    """Two vectors of 1,995 dimensions fit into a page beside a long id; longer ones may go out of line."""
    made = shape(connection, "one", lambda: create_tables(connection, dim))
    assert {row[3] for row in made if str(row[2]).startswith("halfvec")} == {storage}

    vector = "[" + ",".join(["0.5"] * dim) + "]"
    connection.execute("INSERT INTO text_embeddings VALUES (repeat('x', 500), %s, %s, 1)", [vector, vector])
    assert connection.execute("SELECT count(*) FROM text_embeddings").fetchone() == (1,)


def _with(monkeypatch: pytest.MonkeyPatch, *later: str) -> None:
    known = {**migrations(), **dict(enumerate(later, CURRENT + 1))}
    monkeypatch.setattr(migrating, "migrations", lambda: known)
    monkeypatch.setattr("meshseek.store.queries.migrations", lambda: known)
    monkeypatch.setattr(migrating, "CURRENT", max(known))


def test_a_published_version_is_brought_up_to_date(
    published_toys: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening runs what is missing once, in order, and notes it; the assets stay."""
    _with(monkeypatch, "ALTER TABLE assets ADD COLUMN first text", "ALTER TABLE assets RENAME COLUMN first TO second")
    for _ in range(2):
        library = Library(server, "toy")
        assert library.published().assets == 40
        library.close()

    with server.connect("toy") as connection:
        assert connection.execute("SELECT count(second) FROM live.assets").fetchone() == (0,)
        assert connection.execute("SELECT schema_version FROM live.spaces").fetchone() == (CURRENT + 2,)


def test_a_migration_that_fails_changes_nothing(
    published_toys: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them or none: what the first one did is taken back."""
    _with(monkeypatch, "ALTER TABLE assets ADD COLUMN first text", "ALTER TABLE nonsense")
    library = Library(server, "toy")
    with pytest.raises(DatabaseError):
        library.published()
    library.close()

    with server.connect("toy") as connection:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT first FROM live.assets")
        assert connection.execute("SELECT schema_version FROM live.spaces").fetchone() == (CURRENT,)


def test_a_newer_meshseeks_version_is_refused(published_toys: Workspace, server: Server) -> None:
    """What a newer Meshseek published is neither read nor marked as older."""
    with server.connect("toy") as connection:
        connection.execute("UPDATE live.spaces SET schema_version = 999")

    with pytest.raises(DatabaseVersionError, match="a newer Meshseek published this database"):
        Library(server, "toy").published()
    with server.connect("toy") as connection:
        assert connection.execute("SELECT schema_version FROM live.spaces").fetchone() == (999,)
