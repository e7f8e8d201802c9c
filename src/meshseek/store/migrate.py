"""Brings a version that an older Meshseek published to the tables of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from meshseek.errors import DatabaseVersionError
from meshseek.store.queries import migrations, query

if TYPE_CHECKING:
    from meshseek.store.postgres import Connection

CURRENT = max(migrations())


def migrate(connection: Connection) -> None:
    """Run the migrations that the live version lacks, all of them or none.

    Raises:
        psycopg.errors.UndefinedTable: Nothing is published.
        DatabaseVersionError: A newer Meshseek published it.
    """
    with connection.transaction():
        connection.execute(query("use_schema"), {"schemas": "live, public"})
        row = connection.execute(query("schema_version")).fetchone()
        version, dim = row or (CURRENT, 0)
        if version > CURRENT:
            message = "a newer Meshseek published this database; install that one, or publish again with this one"
            raise DatabaseVersionError(message)
        for number in (n for n in migrations() if n > version):
            apply(connection, number, dim)
        if version < CURRENT:
            connection.execute(query("set_schema_version"), {"version": CURRENT})


def apply(connection: Connection, number: int, dim: int) -> None:
    """Run one migration in the schema that is first in the search path; ``dim`` is the length of its vectors."""
    connection.execute(sql.SQL(migrations()[number]).format(dim=sql.Literal(dim)))
