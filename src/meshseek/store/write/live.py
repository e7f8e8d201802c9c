"""What is live of an algorithm, told before another version is made."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import psycopg

from meshseek.errors import NotPublishedError
from meshseek.store.postgres import Connection, Server
from meshseek.store.queries import query
from meshseek.store.schema import CURRENT, refuse_newer
from meshseek.store.shards import Shards, live_connections

DIGESTS = 16_384
"""Assets that are told of at a time."""
Digests = Sequence[tuple[str, str]]
"""Ids of some assets, and what each was made from."""


def published_content(databases: Server | Shards, algorithm: str) -> tuple[str | None, int]:
    """Digest of what is published now, and its number of assets; None and 0 where nothing is.

    What lies on fewer or more shards than there are, or on one that has lost it, is not what would be published now.

    Raises:
        DatabaseError: The database cannot be asked.
    """
    if not isinstance(databases, Shards):
        return _content(databases, algorithm)
    row = databases.live_row(algorithm)
    if row is None or row.shards != len(databases):
        return None, 0
    told = set()
    for number, part in enumerate(databases.version(row, algorithm)):
        with databases.naming(number):
            told.add(_content(part, algorithm))
    return told.pop() if len(told) == 1 else (None, 0)


def _content(server: Server, algorithm: str) -> tuple[str | None, int]:
    try:
        with server.connect(algorithm) as connection:
            number = live_schema(connection)
            refuse_newer(number, algorithm)
            found = connection.execute(query("content")).fetchone() if number == CURRENT else None
    except NotPublishedError:
        found = None
    return found or (None, 0)


def published_digests(databases: Server | Shards, algorithm: str) -> Generator[Digests]:
    """What each published asset was made from, in parts.

    Raises:
        DatabaseError: Nothing is published, or the database cannot be asked.
    """
    for connecting in live_connections(databases, algorithm):
        with connecting as connection:
            yield from digests_of(connection)


def digests_of(connection: Connection) -> Generator[Digests]:
    """The same, over a connection that is asked nothing else meanwhile."""
    with connection.transaction(), connection.cursor("digests") as cursor:
        cursor.execute(query("digests"))
        while part := cursor.fetchmany(DIGESTS):
            yield part


def live_schema(connection: Connection) -> int | None:
    """The number of the live version's tables; None where nothing is published."""
    try:
        row = connection.execute(query("schema_version")).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return row[0] if row else None
