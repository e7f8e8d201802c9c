"""Brings a version that an older Meshseek published to the tables of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

from meshseek.store.queries import migrations, query

if TYPE_CHECKING:
    from meshseek.store.postgres import Connection

CURRENT = max(migrations())


def migrate(connection: Connection) -> None:
    """Run the migrations that the live version lacks, all of them or none.

    Raises:
        psycopg.errors.UndefinedTable: Nothing is published.
    """
    with connection.transaction():
        connection.execute(query("use_schema"), {"schemas": "live, public"})
        row = connection.execute(query("schema_version")).fetchone()
        version = row[0] if row else CURRENT
        for number in (n for n in migrations() if n > version):
            apply(connection, number, {})
        if version != CURRENT:
            connection.execute(query("set_schema_version"), {"version": CURRENT})


def apply(connection: Connection, number: int, fragments: dict[str, Any]) -> None:
    """Run one migration in the schema that is first in the search path."""
    connection.execute(sql.SQL(migrations()[number]).format(**fragments))
