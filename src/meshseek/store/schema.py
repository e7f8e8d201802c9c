"""The number of the tables' schema. A database is derived data: where the number differs, it is published again."""

from __future__ import annotations

from meshseek.errors import DatabaseVersionError

CURRENT = 7
"""Goes up with every change of ``schema.sql``, or of codes, that this code could not read, or not write, without."""


def check_schema(version: int, algorithm: str) -> None:
    """Refuse a version with other tables.

    Raises:
        DatabaseVersionError: Another Meshseek published it.
    """
    refuse_newer(version, algorithm)
    if version != CURRENT:
        raise DatabaseVersionError(
            f"'{algorithm}' was published by another version of Meshseek; "
            f"run 'meshseek publish --algorithm {algorithm}' again"
        )


def refuse_newer(version: int | None, algorithm: str) -> None:
    """Refuse a version with the tables of a newer Meshseek, which may neither be read nor be replaced.

    Raises:
        DatabaseVersionError: It has such.
    """
    if version is not None and version > CURRENT:
        raise DatabaseVersionError(
            f"'{algorithm}' was published by a newer Meshseek (tables {version}; this one knows {CURRENT}): upgrade "
            "this one, or give it databases of its own with MESHSEEK_DATABASE_PREFIX"
        )
