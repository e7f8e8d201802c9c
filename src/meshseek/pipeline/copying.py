"""Reading a file of the workspace as it is at one moment."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from meshseek.errors import WorkspaceError
from meshseek.workspace.objects import PIECE

LOCK_SECONDS = 60.0
"""How long an SQLite file is waited for while somebody writes it."""


def pieces(source: Path) -> Iterator[bytes]:
    """The content of a file; of an SQLite file, as it is between two steps of whoever writes it.

    Raises:
        WorkspaceError: It cannot be read, or is an SQLite file that is damaged.
        FileNotFoundError: It is not there.
    """
    if source.suffix == ".sqlite3":
        yield from _database(source)
    else:
        yield from _file(source)


def _file(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except FileNotFoundError:
        raise
    except OSError as error:
        raise WorkspaceError(f"{source} cannot be read ({error.strerror}); check its permissions") from error


def _database(source: Path) -> Iterator[bytes]:
    with tempfile.NamedTemporaryFile(suffix=".sqlite3") as copy:
        try:
            with (
                contextlib.closing(
                    sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=LOCK_SECONDS)
                ) as database,
                contextlib.closing(sqlite3.connect(copy.name)) as target,
            ):
                database.backup(target)
        except sqlite3.Error as error:
            raise WorkspaceError(
                f"{source} cannot be read ({error}); restore it from a backup, or remove it"
            ) from error
        yield from _file(Path(copy.name))
