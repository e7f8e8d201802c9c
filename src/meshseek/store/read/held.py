"""A live version that is held as it is, and copied out part by part, while others search in it and publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psycopg
from psycopg import sql

from meshseek.errors import DatabaseError, NotPublishedError
from meshseek.store.postgres import Connection, Server, translated
from meshseek.store.queries import query
from meshseek.store.schema import check_schema

ORDERS: Mapping[str, sql.SQL] = {
    "assets": sql.SQL("asset_id"),
    "asset_words": sql.SQL("asset_id"),
    "listed": sql.SQL("asset_id"),
    "text_embeddings": sql.SQL("asset_id"),
    "asset_centroids": sql.SQL("asset_id"),
    "image_embeddings": sql.SQL("asset_id, viewpoint_id"),
}
"""Tables with rows about assets, which are copied in parts; the others are small."""
CHANGING = {"spaces", "tunings", "calibrations"}
"""Tables that may change while their version is the same."""
REBUILT = {"codes"}
"""Tables that are made from the others whenever these are loaded."""
ATTEMPTS = 20
NOTHING_LIVE = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """A version as it was when it was first looked at.

    Args:
        connection: In the transaction that holds it.
        columns: Names of the columns of each of its tables.
    """

    connection: Connection
    columns: Mapping[str, list[str]]

    @property
    def identity(self) -> list[str]:
        """What the version was made from, and when: equal where nothing but :data:`CHANGING` tables may differ."""
        return _identity(self.connection, _held("spaces"))

    @property
    def description(self) -> dict[str, Any]:
        """What the version says of itself: the row of ``spaces``."""
        row = self.connection.execute(query("held_space", name=_held("spaces"))).fetchone()
        assert row is not None
        return dict(row[0])

    def bounds(self) -> list[str | None]:
        """Between which assets the parts are, from None to None."""
        rows = self.connection.execute(query("part_bounds", name=_held("assets"))).fetchall()
        return [None, *(row[0] for row in rows), None]

    def parts(self, table: str, bounds: list[str | None]) -> Iterator[Iterator[bytes]]:
        """The contents of a table in PostgreSQL's binary ``COPY`` format, each of which can be read by itself.

        A part is the same bytes as long as its rows are the same.
        """
        if table not in ORDERS:
            yield self._copied(query("copy_whole", name=_held(table)), {})
            return
        statement = query("copy_part", name=_held(table), order=ORDERS[table])
        for after, last in pairwise(bounds):
            yield self._copied(statement, {"after": after, "last": last})

    def _copied(self, statement: sql.Composed, values: Mapping[str, str | None]) -> Iterator[bytes]:
        with translated(), self.connection.cursor() as cursor, cursor.copy(statement, values) as copy:
            for piece in copy:
                yield bytes(piece)


@contextmanager
def held_version(server: Server, algorithm: str) -> Iterator[HeldVersion | None]:
    """Hold the live version of an algorithm; None where nothing is published.

    Another version may go live meanwhile; that publication ends when this one is no longer held.

    Raises:
        DatabaseVersionError: Another Meshseek published it.
        DatabaseError: The database cannot be asked.
    """
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(server.connect(algorithm))
            stack.enter_context(translated())
            held: HeldVersion | None = _held_by(connection, algorithm, stack)
        except (NotPublishedError, *NOTHING_LIVE):
            held = None
        yield held


def _held_by(connection: Connection, algorithm: str, stack: ExitStack) -> HeldVersion:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    for _ in range(ATTEMPTS):
        row = connection.execute(query("schema_version")).fetchone()
        if row is None:
            raise NotPublishedError
        check_schema(row[0], algorithm)
        before = _live(connection)
        tables = [row[0] for row in connection.execute(query("live_tables")).fetchall() if row[0] not in REBUILT]
        transaction = ExitStack()
        transaction.enter_context(connection.transaction(force_rollback=True))
        try:
            held = _hold(connection, tables)
            if _live(connection) == before:
                stack.push(transaction)
                return held
        except NOTHING_LIVE:  # just then another version went live
            pass
        except BaseException:
            transaction.close()
            raise
        transaction.close()
    raise DatabaseError(f"'{algorithm}' is published again and again; run the same command again")


def live_identity(server: Server, algorithm: str) -> list[str] | None:
    """What the live version was made from, and when; None where nothing is published.

    Raises:
        DatabaseError: The database cannot be asked.
    """
    try:
        with server.connect(algorithm) as connection, translated():
            return _identity(connection, sql.Identifier("live", "spaces"))
    except NotPublishedError:
        return None


def _hold(connection: Connection, tables: Sequence[str]) -> HeldVersion:
    """Bind names of our own to tables; whoever calls must look whether the same version is live as before.

    The locks come first: they take no snapshot, so what is then seen is no older than the tables.
    """
    for table in tables:
        connection.execute(query("hold_table", table=sql.Identifier(table)))
    for table in tables:
        connection.execute(query("name_held_table", name=_held(table), table=sql.Identifier(table)))
    columns = {}
    for table in tables:
        rows = connection.execute(query("held_columns"), {"name": _name(table)}).fetchall()
        columns[table] = [row[0] for row in rows]
    return HeldVersion(connection, columns)


def _live(connection: Connection) -> int | None:
    row = connection.execute(query("live_namespace")).fetchone()
    return row[0] if row else None


def _identity(connection: Connection, spaces: sql.Identifier) -> list[str]:
    row = connection.execute(query("identity", spaces=spaces)).fetchone()
    return list(row) if row else []


def _name(table: str) -> str:
    return f"held_{table}"


def _held(table: str) -> sql.Identifier:
    return sql.Identifier(_name(table))
