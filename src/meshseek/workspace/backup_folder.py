"""A folder of backups: contents named by their digests, and snapshots that say which of them are what.

::

    backup.json                  the number of the format
    objects/<2 digits>/<digest>  contents, each once, whatever the number of files and snapshots that have it
    snapshots/<number>-<time>.json
    drafts/                      unfinished contents, which count for nothing

A snapshot is written last, when all that it names is on the disk. What an interrupted backup has put into ``objects``
is not copied again by the next one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meshseek import __version__
from meshseek.errors import BackupError, InputError
from meshseek.files import DRAFT, FileLock, disk_error, make_folder, sync, write_whole
from meshseek.workspace.entries import Entry, from_lines
from meshseek.workspace.objects import Objects
from meshseek.workspace.snapshot_form import fault_of

BACKUP_FORMAT = 1
"""Goes up with every change that an earlier Meshseek would restore wrongly."""
RECORD, SNAPSHOTS, LOCK = "backup.json", "snapshots", ".lock"
MOST_BYTES = 256 << 20
"""Of a snapshot's record, and of a list of files: they are held in memory."""
_NAME = re.compile(r"(\d{6,})-\d{8}T\d{6}Z")

Snapshot = dict[str, Any]
"""JSON values; see :mod:`meshseek.pipeline.backup`."""


class BackupFolder:
    """One folder of backups.

    Args:
        folder: Where it is, or is to be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = Objects(folder)

    def make(self) -> None:
        """Make the folder where it is missing; nobody else may look into it, as it holds what the workspace holds.

        Raises:
            BackupError: Something else is there, or a newer Meshseek wrote it.
            WorkspaceError: It cannot be written.
        """
        try:
            if not self.folder.exists():
                make_folder(self.folder.parent)
                self.folder.mkdir(mode=0o700)
                sync(self.folder.parent)
            if not (self.folder / RECORD).exists():
                if any(path.name != LOCK and not DRAFT.fullmatch(path.name) for path in self.folder.iterdir()):
                    raise BackupError(f"{self.folder} holds something else than backups; name an empty folder")
                self.folder.chmod(0o700)
                write_whole(self.folder / RECORD, json.dumps({"format": BACKUP_FORMAT}).encode())
            make_folder(self.folder / SNAPSHOTS)
        except OSError as error:
            raise disk_error(error, self.folder) from error
        self.expect()

    def expect(self) -> None:
        """Refuse a folder that this code cannot restore from.

        Raises:
            BackupError: It holds no backups, or those of a newer Meshseek.
        """
        record = _read_json(self.folder / RECORD)
        if record is None:
            raise BackupError(
                f"{self.folder} holds no backups; check the folder, or make one with 'meshseek backup DIR'"
            )
        if record.get("format") != BACKUP_FORMAT:
            raise BackupError(
                f"the backups in {self.folder} have format {record.get('format')} and this Meshseek {__version__} "
                f"reads format {BACKUP_FORMAT}: use the version that wrote them, or a newer one"
            )

    @contextlib.contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep others from adding and removing meanwhile; with ``shared``, others may do the same.

        Raises:
            BackupError: Another process adds or removes, or looks at it where this one wants to.
            WorkspaceError: The folder cannot be locked.
        """
        try:
            lock = FileLock(self.folder / LOCK, 0o600)
            taken = lock.take(shared=shared)
        except OSError as error:
            if shared and error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
                yield  # a medium that this process cannot write
                return
            raise disk_error(error, self.folder) from error
        if not taken:
            lock.abandon()
            raise BackupError(f"another process uses the backups in {self.folder}; wait until it ends")
        try:
            yield
        finally:
            lock.release()

    def names(self) -> list[str]:
        """The snapshots, the earliest first."""
        stems = [path.stem for path in (self.folder / SNAPSHOTS).glob("*.json")]
        return sorted((stem for stem in stems if _NAME.fullmatch(stem)), key=_number)

    def named(self, name: str | None) -> str:
        """The whole name of a snapshot that is given by its name or number; the last one for None.

        Raises:
            InputError: There is none.
        """
        names = self.names()
        if name is None and names:
            return names[-1]
        for known in names:
            if name in {known, str(_number(known))}:
                return known
        told = f"there is no snapshot '{name}'" if name else "there is no finished snapshot"
        raise InputError(f"{told} in {self.folder}; 'meshseek backup {self.folder} --list' shows what is there")

    def read(self, name: str) -> Snapshot:
        """One snapshot.

        Raises:
            BackupError: It is damaged, or has not the form of one.
        """
        path = self.folder / SNAPSHOTS / f"{name}.json"
        record = _read_json(path)
        snapshot = record.get("snapshot") if record else None
        if record is None or not isinstance(snapshot, dict) or record.get("sha256") != _digest(snapshot):
            raise BackupError(f"{path} is damaged; name another snapshot with --snapshot")
        fault = fault_of(snapshot)
        if fault is not None:
            raise BackupError(f"{path} is no snapshot that Meshseek wrote ({fault}); name another with --snapshot")
        return snapshot

    def write(self, snapshot: Snapshot) -> str:
        """Write one more snapshot, whose contents are there; returns its name.

        Raises:
            OSError: The folder cannot be written.
        """
        names = self.names()
        number = _number(names[-1]) + 1 if names else 1
        name = f"{number:06d}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        record = {"sha256": _digest(snapshot), "snapshot": snapshot}
        write_whole(self.folder / SNAPSHOTS / f"{name}.json", json.dumps(record).encode())
        return name

    def remove(self, name: str) -> None:
        """Forget a snapshot; its contents stay.

        Raises:
            OSError: The folder cannot be written.
        """
        (self.folder / SNAPSHOTS / f"{name}.json").unlink()
        sync(self.folder / SNAPSHOTS)


def read_list(objects: Objects, digest: str) -> list[Entry]:
    """A list of files in a snapshot.

    Raises:
        BackupError: It is missing or damaged, or names what no backup holds.
    """
    if objects.size(digest) > MOST_BYTES:
        raise objects.damaged(digest, "it is too large for a list of files")
    content = b"".join(objects.read(digest))
    try:
        return from_lines(content)
    except ValueError as error:
        raise objects.damaged(digest, str(error)) from error


def _number(name: str) -> int:
    return int(name.partition("-")[0])


def _digest(snapshot: Snapshot) -> str:
    return hashlib.sha256(json.dumps(snapshot, sort_keys=True).encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes()) if path.stat().st_size <= MOST_BYTES else {}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError):
        value = {}
    return value if isinstance(value, dict) else {}
