"""Reads a version into the server's memory."""

from __future__ import annotations

import psycopg
from psycopg import sql

from meshseek.store.bounded import BoundedConnection
from meshseek.store.postgres import Connection
from meshseek.store.queries import query


def read_into_memory(connection: Connection, schema: str) -> None:
    """Read a schema's tables and indexes, however long it takes, where ``pg_prewarm`` is there and may be used.

    Raises:
        psycopg.Error: The connection was lost; whatever else goes wrong only leaves the first searches slower.
    """
    patience = None
    if isinstance(connection, BoundedConnection):
        patience, connection.patience = connection.patience, None
    try:
        with connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute(query("prewarm", schema=sql.Literal(schema)))
    except psycopg.Error:
        if connection.closed:
            raise
    finally:
        if isinstance(connection, BoundedConnection):
            connection.patience = patience
