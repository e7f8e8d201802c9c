"""What a database server says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from meshseek.store.pgvector import check_version
from meshseek.store.postgres import Server
from meshseek.store.queries import query


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """One server."""

    version: str
    pgvector: str | None
    """The version that it would install; None where it has none."""
    encoding: str
    """Of text."""
    free_connections: int
    """How many more clients may connect."""
    folder: str | None
    """Where its files are, on its machine; None where it does not say."""

    def check_pgvector(self) -> None:
        """Refuse versions with known data loss.

        Raises:
            DatabaseVersionError: The version is too old, or there is none.
        """
        check_version(self.pgvector)


def read_facts(server: Server) -> ServerFacts:
    """Ask a server about itself.

    Raises:
        DatabaseError: See :func:`meshseek.store.postgres.translated`.
    """
    with server.connect_to_server() as connection, connection.cursor(row_factory=dict_row) as cursor:
        (row,) = cursor.execute(query("server_facts")).fetchall()
    # Of a server that knows no encoding the driver gives bytes.
    told: dict[str, Any] = {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value for name, value in row.items()
    }
    return ServerFacts(**told)
