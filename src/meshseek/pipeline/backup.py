"""Backup: a workspace and what is published of it, as they are at one moment, into a folder of backups.

A snapshot is a JSON object::

    meshseek, format                   the version that made it, and the number of the workspace's format
    files: lists, count, bytes         contents that list the files, see :mod:`meshseek.workspace.belongings`
    databases: [                       one for each published algorithm
        algorithm, identity, description (the row of ``spaces``), bytes
        tables: {name: {columns, contents}}   each content is binary ``COPY`` output
    ]
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meshseek import __version__
from meshseek.errors import BackupError
from meshseek.files import FileLock, disk_error
from meshseek.pipeline.backup_databases import DatabasesBackup
from meshseek.pipeline.backup_destination import Destination
from meshseek.pipeline.backup_files import FilesBackup
from meshseek.pipeline.prune import prune
from meshseek.pipeline.stage import Summary
from meshseek.reporting import Reporter
from meshseek.store.postgres import Server
from meshseek.workspace.backup_folder import BackupFolder, Snapshot
from meshseek.workspace.format import workspace_format
from meshseek.workspace.workspace import Workspace

LOCK = ".backup.lock"
"""In the workspace. Who deletes what a snapshot may name holds it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOptions:
    """How a backup is made."""

    verify: bool = False
    """Read every file, and every content that is there already; replace those that are damaged."""
    keep: int | None = None
    """How many snapshots stay, the new one included; None for all."""


def backup(
    workspace: Workspace,
    server: Server | None,
    algorithms: Sequence[str],
    folder: Path,
    options: BackupOptions,
    reporter: Reporter,
) -> Summary:
    """Make one more snapshot; stages may run and searches be answered meanwhile.

    Args:
        workspace: Whose files are copied.
        server: Has what is published; None leaves databases out.
        algorithms: All that may be published.
        folder: That of the backups; made where missing.
        options: How.
        reporter: Shows the progress.

    Raises:
        BackupError: The folder holds something else, or another process uses it.
        WorkspaceError: A manifest of the workspace is damaged, or a disk is full. Earlier snapshots stay as they were.
        DatabaseError: What is published cannot be read.
    """
    started = time.monotonic()
    _expect_apart(workspace.folder, folder)
    backups = BackupFolder(folder)
    backups.make()
    with backups.locked(), _kept_files(workspace, reporter):
        former = _former(backups, reporter)
        try:
            with backups.objects.adding() as drafts:
                destination = Destination(
                    objects=backups.objects, drafts=drafts, former=former, verify=options.verify, reporter=reporter
                )
                databases = DatabasesBackup(destination)
                found = [databases.back_up(server, name) for name in algorithms] if server else []
                held = [each for each in found if each is not None]
                files = FilesBackup(workspace, destination)
                listed = files.back_up()
            snapshot: Snapshot = {
                "meshseek": __version__,
                "format": workspace_format(workspace.folder)[0],
                "files": listed,
                "databases": held,
            }
            name = backups.write(snapshot)
            summary = Summary(stage="backup", done=files.new, already_there=listed["count"] - files.new)
            summary.details = {"snapshot": name, "databases": len(held)}
            summary.details["bytes"] = listed["bytes"] + sum(database["bytes"] for database in held)
            summary.details["new bytes"] = files.new_bytes + databases.new_bytes
            if files.damaged:
                summary.details["damaged"] = len(files.damaged)
            elif options.keep is not None:
                summary.details["snapshots removed"] = _prune(backups, options.keep, reporter)
        except OSError as error:
            raise disk_error(error, folder) from error
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def _former(backups: BackupFolder, reporter: Reporter) -> Snapshot | None:
    """The last snapshot, where it can be read: what it has is not read again."""
    names = backups.names()
    try:
        return backups.read(names[-1]) if names else None
    except BackupError as error:
        reporter.say(f"backup: everything is read again, as the last snapshot is of no use: {error}")
        return None


def _prune(backups: BackupFolder, keep: int, reporter: Reporter) -> int:
    try:
        return prune(backups, keep)
    except BackupError as error:
        reporter.say(f"backup: the new snapshot is there, and no old one is removed: {error}")
        return 0


@contextmanager
def _kept_files(workspace: Workspace, reporter: Reporter) -> Iterator[None]:
    """Keep all from being deleted that a snapshot may name; a cleaning that has begun is waited for."""
    try:
        lock = FileLock(workspace.folder / LOCK)
        if not lock.take():
            reporter.say(f"backup: waiting for 'clean', or another backup, of {workspace.folder} to end")
            lock.wait()
    except OSError as error:
        raise disk_error(error, workspace.folder) from error
    try:
        yield
    finally:
        lock.release()


def _expect_apart(workspace: Path, folder: Path) -> None:
    """Refuse to put backups into what they are of.

    Raises:
        BackupError: One is in the other.
    """
    inner, outer = folder.resolve(), workspace.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise BackupError(f"{folder} and the workspace {workspace} are in each other; name a folder outside of it")
