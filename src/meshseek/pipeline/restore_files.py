"""The files of a snapshot on their way into a workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from meshseek.reporting import Reporter
from meshseek.workspace.backup_folder import BackupFolder, Snapshot, read_list
from meshseek.workspace.drafts import Drafts
from meshseek.workspace.entries import Entry

SETTINGS_FILE = "meshseek.toml"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class FilesRestore:
    """Puts the files of a snapshot into a workspace."""

    def __init__(self, backups: BackupFolder, workspace: Path, drafts: Drafts) -> None:
        self._objects, self._workspace, self._drafts = backups.objects, workspace, drafts
        self.done = self.already_there = 0

    def settings(self, snapshot: Snapshot, reporter: Reporter) -> None:
        """The settings come first, as they say where the databases are; those that are there already stay."""
        for entry in self._entries(snapshot):
            if entry.path == SETTINGS_FILE:
                if not (self._workspace / SETTINGS_FILE).exists():
                    self._put(entry)
                elif not self._is_there(entry):
                    reporter.say(f"restore: {self._workspace / SETTINGS_FILE} was there and stays as it is")
                return

    def restore(self, snapshot: Snapshot, reporter: Reporter) -> None:
        """All other files.

        Raises:
            BackupError: A content is missing or damaged.
            OSError: The disk refuses.
        """
        with reporter.bar("restore files", snapshot["files"]["count"]) as advance:
            for entry in self._entries(snapshot):
                if entry.path != SETTINGS_FILE:
                    if self._is_there(entry):
                        self.already_there += 1
                    else:
                        self._put(entry)
                        self.done += 1
                advance(1)

    def _entries(self, snapshot: Snapshot) -> Iterator[Entry]:
        for digest in snapshot["files"]["lists"]:
            yield from read_list(self._objects, digest)

    def _is_there(self, entry: Entry) -> bool:
        """Whether an interrupted restore has put a file there: it has its time only when it is whole."""
        try:
            found = (self._workspace / entry.path).lstat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (entry.bytes, entry.mtime)

    def _put(self, entry: Entry) -> None:
        draft = self._drafts.new()
        try:
            with os.fdopen(os.open(draft, _NEW, 0o600), "wb") as file:  # it may hold secrets
                for piece in self._objects.read(entry.digest):
                    file.write(piece)
            draft.chmod(entry.mode & 0o777)
            os.utime(draft, ns=(entry.mtime, entry.mtime))
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        self._drafts.add(draft, self._workspace / entry.path)
