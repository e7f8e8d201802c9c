"""Which kind of index the live version is asked by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshseek.errors import NotPublishedError
from meshseek.store.indexes import INDEXES
from meshseek.store.postgres import translated
from meshseek.store.queries import query
from meshseek.store.shards import describing_server

if TYPE_CHECKING:
    from meshseek.store.postgres import Server
    from meshseek.store.shards import Shards


def live_index(databases: Server | Shards, algorithm: str) -> str | None:
    """The kind that was published, by whatever Meshseek; None where nothing is, or a kind that there is no longer.

    Raises:
        DatabaseError: The database cannot be asked.
    """
    server = describing_server(databases, algorithm)
    if server is None:
        return None
    try:
        with server.connect(algorithm) as connection, translated():
            row = connection.execute(query("live_index")).fetchone()
    except NotPublishedError:
        return None
    return row[0] if row and row[0] in INDEXES.names else None
