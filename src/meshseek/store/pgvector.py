"""Which versions of pgvector may hold vectors."""

from __future__ import annotations

import re
from typing import Any

import psycopg

from meshseek.errors import DatabaseVersionError
from meshseek.store.queries import query

MINIMUM_PGVECTOR = (0, 8, 4)
"""Older ones overflow in parallel index builds and corrupt indexes in vacuum."""


def check_pgvector(connection: psycopg.Connection[Any]) -> None:
    """Refuse versions with known data loss.

    Raises:
        DatabaseVersionError: The version is too old.
    """
    row = connection.execute(query("pgvector_version")).fetchone()
    check_version(str(row[0]) if row else None)


def check_version(version: str | None) -> None:
    """Refuse versions of pgvector with known data loss, and none.

    Raises:
        DatabaseVersionError: The version is too old, or there is none.
    """
    version = version or "none"
    if tuple(int(number) for number in re.findall(r"\d+", version)) < MINIMUM_PGVECTOR:
        needed = ".".join(str(number) for number in MINIMUM_PGVECTOR)
        message = f"the database has pgvector {version}, which can lose data; install {needed} or newer, then run "
        raise DatabaseVersionError(message + "'ALTER EXTENSION vector UPDATE' in it")
