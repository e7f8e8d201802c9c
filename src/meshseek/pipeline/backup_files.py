"""The files of a workspace on their way into a folder of backups, while stages write there."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Any

from meshseek.errors import BackupError, WorkspaceError
from meshseek.pipeline.backup_destination import Destination
from meshseek.pipeline.copying import pieces
from meshseek.pipeline.file_lists import Known, in_lists
from meshseek.workspace.backup_folder import read_list
from meshseek.workspace.belongings import Table, library_files, other_files, read_table, table_folders
from meshseek.workspace.entries import Entry, to_lines
from meshseek.workspace.manifest import MANIFEST
from meshseek.workspace.objects import Kept
from meshseek.workspace.workspace import Workspace

ATTEMPTS = 20
"""How often a table is looked at again whose shards were replaced meanwhile."""
TOLD = 5


class FilesBackup:
    """One backup of files.

    Args:
        workspace: Whose.
        destination: Where to.
    """

    def __init__(self, workspace: Workspace, destination: Destination) -> None:
        self._workspace, self._destination = workspace, destination
        self._objects, self._former, self._verify = destination.objects, destination.former, destination.verify
        self._reporter = destination.reporter
        self.new = 0
        """Files whose content was not there before."""
        self.new_bytes = 0
        self.damaged: set[str] = set()
        """Shards that are not what their manifest says."""

    def back_up(self) -> dict[str, Any]:
        """Copy what is new; returns what a snapshot says of the files.

        The tables come first, those before that are made from others: what rows name is on the disk before them, and
        stays there as long as the workspace's backup lock is held.

        Raises:
            WorkspaceError: A manifest is damaged.
            OSError: A disk refuses.
        """
        odd: list[str] = []
        libraries, tables = self._first(odd)
        entries = [*libraries, *(entry for folder, table in tables.items() for entry in self._table(folder, table))]
        lists, count, size = [], 0, 0
        files = self._others(odd)
        for part in (entries, *in_lists(files)):
            kept = self._destination.add([to_lines(part)])
            lists.append(kept.digest)
            count += len(part)
            size += sum(entry.bytes for entry in part)
        self._tell("damaged, and kept as they are; run 'meshseek check --repair'", sorted(self.damaged))
        self._tell("neither files nor folders, and left out", odd)
        return {"lists": lists, "count": count, "bytes": size}

    def _first(self, odd: list[str]) -> tuple[list[Entry], dict[str, Table | None]]:
        """The libraries and the tables' manifests of one moment: an asset is in both as it was then, or in neither."""
        for _ in range(ATTEMPTS):
            odd.clear()
            try:
                libraries = [self._copied(path, found) for path, found in library_files(self._workspace, odd)]
            except FileNotFoundError:  # a library was forgotten just then
                continue
            folders = table_folders(self._workspace)
            tables = {folder: read_table(self._workspace, folder) for folder in folders}
            now = dict(library_files(self._workspace, []))
            if len(now) == len(libraries) and all(
                entry.path in now and entry.is_same(now[entry.path]) for entry in libraries
            ):
                return libraries, tables
        raise WorkspaceError("the libraries are written again and again; run the same command again")

    def _tell(self, what: str, paths: list[str]) -> None:
        if paths:
            named = ", ".join(paths[:TOLD]) + (", ..." if len(paths) > TOLD else "")
            self._reporter.say(f"backup: {len(paths):,} of the workspace are {what}: {named}")

    def _table(self, folder: str, table: Table | None) -> list[Entry]:
        """The entries of a table as it was at one moment."""
        for _ in range(ATTEMPTS):
            if table is None:
                return []
            try:
                shards = [self._shard(folder, shard) for shard in table.shards]
            except FileNotFoundError:
                before, table = table, read_table(self._workspace, folder)
                if table is not None and table.manifest == before.manifest:
                    return [self._manifest(before), *self._shards_that_are_there(before)]
            else:
                return [*shards, self._manifest(table)]
        raise WorkspaceError(f"{folder} is written again and again; run the same command again")

    def _manifest(self, table: Table) -> Entry:
        return self._entry(f"{table.folder}/{MANIFEST}", table.status, self._counted([table.manifest]))

    def _shard(self, folder: str, shard: dict[str, Any]) -> Entry:
        path = f"{folder}/{shard['file']}"
        found = (self._workspace.folder / path).stat()
        digest, size = shard["sha256"], shard["bytes"]
        if not self._verify and found.st_size == size and self._objects.has(digest, size):
            return self._entry(path, found, Kept(digest, size, is_new=False))
        entry = self._copied(path, found)
        if entry.digest != digest:
            self.damaged.add(path)
        return entry

    def _shards_that_are_there(self, table: Table) -> Iterator[Entry]:
        for shard in table.shards:
            try:
                yield self._shard(table.folder, shard)
            except FileNotFoundError:
                self.damaged.add(f"{table.folder}/{shard['file']}")

    def _others(self, odd: list[str]) -> Iterator[Entry]:
        """The entries of all other files, each beside what the last snapshot says of it."""
        known = Known(self._former_entries())
        total = sum(1 for _ in other_files(self._workspace, []))
        with self._reporter.bar("backup files", total) as advance:
            for path, found in other_files(self._workspace, odd):
                before = known.at(path)
                advance(1)
                if before is not None and not self._verify and before.is_same(found) and self._has(before):
                    yield before._replace(mode=stat.S_IMODE(found.st_mode))
                    continue
                with contextlib.suppress(FileNotFoundError):  # nothing that a snapshot names goes meanwhile
                    yield self._copied(path, found)

    def _has(self, entry: Entry) -> bool:
        return self._objects.has(entry.digest, entry.bytes)

    def _former_entries(self) -> Iterator[Entry]:
        try:
            for digest in self._former["files"]["lists"][1:] if self._former else ():
                yield from read_list(self._objects, digest)
        except BackupError as error:
            self._reporter.say(f"backup: files are read again, as a list of the last snapshot is of no use: {error}")

    def _copied(self, path: str, found: os.stat_result) -> Entry:
        source = self._workspace.folder / path
        return self._entry(path, found, self._counted(pieces(source)))

    def _counted(self, content: Iterable[bytes]) -> Kept:
        kept = self._destination.add(content)
        if kept.is_new:
            self.new += 1
            self.new_bytes += kept.bytes
        return kept

    def _entry(self, path: str, found: os.stat_result, kept: Kept) -> Entry:
        mode = stat.S_IMODE(found.st_mode)
        return Entry(path, kept.bytes, found.st_mtime_ns, found.st_ino, mode, kept.digest)
