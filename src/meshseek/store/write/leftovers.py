"""What publications leave that were killed: a version that was not finished, or one that nobody sees any more."""

from __future__ import annotations

from psycopg import sql

from meshseek.store.postgres import Connection, Server, translated
from meshseek.store.queries import query

INCOMING, RETIRED = sql.Identifier("incoming"), sql.Identifier("retired")


def remove_leftovers(server: Server, algorithm: str) -> None:
    """Remove them, where nobody publishes just now.

    Raises:
        DatabaseError: The database cannot be reached or refuses.
    """
    with server.connect(algorithm) as connection, translated():
        if not any(_is_there(connection, name) for name in ("incoming", "retired")):
            return
        row = connection.execute(query("lock_publishing")).fetchone()
        if row and row[0]:
            drop_leftovers(connection)


def drop_leftovers(connection: Connection) -> None:
    """Remove them, whoever holds the lock for publishing."""
    for schema in (INCOMING, RETIRED):
        connection.execute(query("drop_schema", schema=schema))


def _is_there(connection: Connection, schema: str) -> bool:
    row = connection.execute(query("schema_exists"), {"schema": schema}).fetchone()
    return bool(row and row[0])
