"""Texts by key in a SQLite file: what was paid for survives a kill and a power loss."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from meshseek.errors import TranslatorError

LOCK_SECONDS: Final = 60.0
"""How long one thread or process waits for another's write."""


class Entries:
    """One file. Threads and processes may share it.

    Raises:
        TranslatorError: From every method: the file cannot be read or written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[str, str]:
        """All entries; none where there is no file yet."""
        if not self._file.exists():
            return {}
        with self._open() as database:
            return dict(database.execute("SELECT key, value FROM entries"))

    def write(self, key: str, value: str) -> None:
        """Add an entry, or replace it; it is on the disk when this returns."""
        with self._open() as database:
            database.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (key, value))

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self._file, timeout=LOCK_SECONDS)) as database:
                # Beyond FULL it syncs the folder once the rollback journal is gone. Else a power loss could bring the
                # journal back, which would undo a step that others followed.
                database.execute("PRAGMA synchronous = EXTRA")
                database.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
                with database:
                    yield database
        except (OSError, sqlite3.OperationalError) as error:
            reason = getattr(error, "strerror", None) or error
            raise TranslatorError(f"{self._file} cannot be written: {reason}; make room and run again") from error
        except sqlite3.DatabaseError as error:
            raise damaged(self._file, error) from error


def damaged(file: Path, reason: object) -> TranslatorError:
    """An error that says what is lost with a file of entries."""
    return TranslatorError(f"{file} is damaged ({reason}); restore it from a backup, or remove it and pay again")
