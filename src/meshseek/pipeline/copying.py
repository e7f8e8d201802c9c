"""Reading a file of the workspace as it is at one moment."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from meshseek.errors import WorkspaceError
from meshseek.workspace.objects import PIECE

LOCK_SECONDS = 60.0
"""How long an SQLite file is waited for while somebody writes it."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


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
                database.backup(target, progress=_no_longer_than(LOCK_SECONDS))
        except TimeoutError as error:
            raise WorkspaceError(f"{source} is written all the time; end what writes it, then run again") from error
        except sqlite3.Error as error:
            raise _told(source, error) from error
        yield from _file(Path(copy.name))


def _no_longer_than(seconds: float) -> Callable[[int, int, int], None]:
    """To be called at each step of a copy, which by itself would wait for a writer without an end."""
    deadline = time.monotonic() + seconds

    def look(status: int, _left: int, _total: int) -> None:
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and time.monotonic() > deadline:
            raise TimeoutError

    return look


def _told(source: Path, error: sqlite3.Error) -> WorkspaceError:
    """What is wrong; only where the file itself is damaged is it said to be: it may hold what was paid for."""
    if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DAMAGED:
        return WorkspaceError(f"{source} is damaged ({error}); restore it from a backup, or remove it")
    return WorkspaceError(
        f"{source} cannot be copied to {tempfile.gettempdir()} ({error}); "
        "make room there, check the permissions of the file, and run again"
    )
