"""The small files by which clients, keeper and server of an embedded database agree: locks, the notice, the socket."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import re
import shutil
import socket
import stat
import tempfile
from pathlib import Path

from meshseek import files
from meshseek.errors import DatabaseDownError

SERVER_LOCK = "server.lock"
"""Locked by the keeper and, through inheritance, by every process of its server: free means that nothing runs."""
HOLDERS_LOCK = "holders.lock"
"""Locked (shared) by each process that uses the server."""
START_LOCK = "start.lock"
"""Locked by the one client that is starting the server."""
DETACHED = "detached"
"""While this file names its folder the server stays up without a holder."""
LOG = "server.log"
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"

_NOTICE = "server.json"
_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""The cheapest question that only a living PostgreSQL answers; it leaves no line in the log."""
_SOCKET_FOLDER = "meshseek-"
_LONGEST_BASE = 60
"""A socket's path has at most 103 (macOS) or 107 (Linux) bytes; our part of it takes 31."""
_TROUBLE = re.compile(r"FATAL|PANIC|ERROR|error:|could not")
_CURES = (
    ("No space left", "free some disk space"),
    ("could not extend file", "free some disk space"),
    ("incompatible with", "remove the database folder and publish again"),
    ("effective user ID", "give this user a line in /etc/passwd, or set MESHSEEK_DATABASE_URL"),
    ("shared memory", "let this machine share more memory, or set MESHSEEK_DATABASE_URL"),
)


def unusable(path: Path, error: OSError) -> DatabaseDownError:
    """An error that says why a file of the embedded database cannot be used, and the cure."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return DatabaseDownError(
        f"the embedded database cannot use {path}: {error.strerror or error}: "
        f"{'free some disk space' if full else 'make it writable'}, or set MESHSEEK_DATABASE_URL"
    )


class FileLock(files.FileLock):
    """A lock that only the user of the workspace can open, so that nobody else can hold it.

    Raises:
        DatabaseDownError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path, 0o600)
        except OSError as error:
            raise unusable(path, error) from error

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock unless others hold it in a way that forbids it.

        Raises:
            DatabaseDownError: The file system has no locks.
        """
        try:
            return super().take(shared=shared)
        except OSError as error:
            raise unusable(self.path, error) from error


def is_free(path: Path) -> bool:
    """Whether nobody holds a lock on the file exclusively.

    Raises:
        DatabaseDownError: The file cannot be opened.
    """
    if not path.parent.exists():
        return True
    lock = FileLock(path)
    try:
        return lock.take(shared=True)
    finally:
        lock.release()


def identity(home: Path) -> str:
    """What tells a folder from its copies.

    Raises:
        OSError: It is not there.
    """
    found = home.stat()
    return f"{found.st_dev}:{found.st_ino}"


def is_detached(home: Path) -> bool:
    """Whether the server is to stay without a holder; a copied mark does not count."""
    try:
        return (home / DETACHED).read_text() == identity(home)
    except OSError:
        return False


@dataclasses.dataclass(frozen=True)
class Notice:
    """What the keeper tells its clients."""

    socket_folder: str
    uid: int
    data: str
    home: str
    """See :func:`identity`."""

    @classmethod
    def read(cls, home: Path) -> Notice | None:
        """The last keeper's notice, or None where there is none or it was copied from another workspace."""
        try:
            found = cls(**json.loads((home / _NOTICE).read_text()))
            return found if found.home == identity(home) else None
        except (OSError, ValueError, TypeError):
            return None

    def write(self, home: Path) -> None:
        """Put the notice up.

        Raises:
            OSError: It cannot be written.
        """
        files.write_whole(home / _NOTICE, json.dumps(dataclasses.asdict(self)).encode())

    def withdraw(self, home: Path) -> None:
        """Take the notice down, and the socket folder with it."""
        self.remove_socket_folder()
        if Notice.read(home) == self:
            with contextlib.suppress(OSError):
                (home / _NOTICE).unlink()

    def socket_is_ours(self) -> bool:
        """Whether the socket folder is the private one of the server's user and no squatter's."""
        try:
            found = os.lstat(self.socket_folder)
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == self.uid and stat.S_IMODE(found.st_mode) == stat.S_IRWXU

    def remove_socket_folder(self) -> None:
        """Remove the socket folder where it is ours."""
        folder = Path(self.socket_folder)
        if folder.name.startswith(_SOCKET_FOLDER) and self.socket_is_ours():
            with contextlib.suppress(OSError):
                for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
                    (folder / name).unlink(missing_ok=True)
                folder.rmdir()

    def says_ready(self) -> bool:
        """Whether the server wrote that it lets clients in; after a crash the words may be stale."""
        try:
            lines = (Path(self.data) / "postmaster.pid").read_text(errors="replace").splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"  # noqa: PLR2004 - pg_ctl counts the same way

    def answers(self) -> bool:
        """Whether a PostgreSQL server answers on the socket, and the socket is ours."""
        return self.socket_is_ours() and answers(Path(self.socket_folder) / SOCKET_NAME)


def answers(path: Path) -> bool:
    """Whether a PostgreSQL server answers on a Unix socket; it may still refuse clients."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(path))
            probe.sendall(_SSL_REQUEST)
            return probe.recv(1) in {b"N", b"S"}
        except (OSError, ValueError):
            return False


def temporary_socket_folder() -> Path:
    """Make a new, private folder for a socket in the temporary folder, or in /tmp where that one's path is long or odd.

    Raises:
        OSError: It cannot be made.
    """
    place = tempfile.gettempdir()
    if len(place) > _LONGEST_BASE or not re.fullmatch(r"[\w./+-]+", place, re.ASCII):
        place = "/tmp"  # noqa: S108 - mkdtemp makes a folder that nobody else can have prepared
    return Path(tempfile.mkdtemp(prefix=_SOCKET_FOLDER, dir=place))


def last_words(home: Path) -> str:
    """Why the server or its making ended, from its log, with the cure."""
    log = home / LOG
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    troubles = [line for line in lines if _TROUBLE.search(line) and "the database system is" not in line]
    silence = "No space left" if shutil.disk_usage(home).free < 1024 * 1024 else "it left no words"
    known = [line for line in troubles if any(mark in line for mark, _ in _CURES)]
    words = (known or troubles or lines or [silence])[-1]
    words = re.sub(r"^.*?:\d\d\.\d+ \S+ \[\d+\] ", "", words)
    cure = next((cure for mark, cure in _CURES if mark in words), "see there")
    return f"the embedded database stopped: {words} (log: {log}): {cure}"
