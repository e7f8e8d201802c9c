"""Restore: a snapshot becomes a workspace, and the versions that were published of it become live again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from meshseek import __version__
from meshseek.errors import BackupError, ConfirmationNeededError, WorkspaceError
from meshseek.files import FileLock, disk_error, locked, make_folder, sync, write_whole
from meshseek.pipeline.restore_databases import expect_free, restore_database
from meshseek.pipeline.restore_files import SETTINGS_FILE, FilesRestore
from meshseek.pipeline.stage import Summary
from meshseek.reporting import Reporter
from meshseek.store.embedded import root_place
from meshseek.store.embedded.server import EmbeddedServer
from meshseek.store.postgres import Server
from meshseek.store.schema import CURRENT
from meshseek.workspace.backup_folder import BackupFolder, Snapshot
from meshseek.workspace.belongings import UNFINISHED
from meshseek.workspace.drafts import Drafts
from meshseek.workspace.format import CURRENT_FORMAT, RESTORING_FILE

DRAFTS, LOCK = ".restoring", ".restore.lock"
NO_CONTENT = {"database", "cache", SETTINGS_FILE, "format.json", DRAFTS}
"""What may be in a workspace that is restored into: settings that were put there, and a server that was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """How a snapshot is restored."""

    snapshot: str | None = None
    """Its name or number; None for the last one, or the one whose restore was interrupted."""
    yes: bool = False
    """Move aside what is in the way, and replace live versions."""


def restore(
    folder: Path, workspace: Path, connect: Callable[[], Server], options: RestoreOptions, reporter: Reporter
) -> Summary:
    """Restore a snapshot, or go on with it; until it has ended no other command opens the workspace.

    Args:
        folder: That of the backups.
        workspace: Where to; made where missing.
        connect: Gives the server for the databases, once the workspace's settings are there.
        options: How.
        reporter: Shows the progress.

    Raises:
        ConfirmationNeededError: Something is in the way.
        BackupError: There is no such snapshot, it is damaged, or a newer Meshseek made it.
        WorkspaceError: The workspace cannot be written.
        DatabaseError: The database refuses.
    """
    started = time.monotonic()
    backups = BackupFolder(folder)
    backups.expect()
    with backups.locked(shared=True):
        begun = _begun(workspace, backups)
        wanted = begun if begun and options.snapshot is None else backups.named(options.snapshot)
        snapshot = backups.read(wanted)
        _refuse_newer(wanted, snapshot)
        if begun != wanted:
            _make_room(workspace, snapshot, options, reporter)
        busy = WorkspaceError(f"another process restores into {workspace}; wait until it ends")
        summary = Summary(stage="restore", details={"snapshot": wanted})
        try:
            with locked(workspace / LOCK, busy), _unfinished(workspace, folder, wanted):
                with Drafts(workspace / DRAFTS) as drafts:
                    files = FilesRestore(backups, workspace, drafts)
                    files.settings(snapshot, reporter)
                if snapshot["databases"]:
                    expect_free(connect(), snapshot, replace=options.yes)
                with Drafts(workspace / DRAFTS) as drafts:
                    files = FilesRestore(backups, workspace, drafts)
                    files.restore(snapshot, reporter)
                summary.done, summary.already_there = files.done, files.already_there
                live = [restore_database(connect(), each, backups, reporter) for each in snapshot["databases"]]
                summary.details["databases"] = sum(live)
        except OSError as error:
            raise disk_error(error, workspace) from error
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def _refuse_newer(name: str, snapshot: Snapshot) -> None:
    tables = [database["description"]["schema_version"] for database in snapshot["databases"]]
    if snapshot["format"] > CURRENT_FORMAT or max(tables, default=0) > CURRENT:
        raise BackupError(
            f"snapshot {name} was made by a newer Meshseek ({snapshot['meshseek']}; this is {__version__}): "
            "upgrade this one, or name another snapshot with --snapshot"
        )


def _begun(workspace: Path, backups: BackupFolder) -> str | None:
    """The snapshot whose restore into a workspace was interrupted."""
    try:
        record = json.loads((workspace / RESTORING_FILE).read_bytes())
        name = record["snapshot"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if name in backups.names() else None


def _make_room(workspace: Path, snapshot: Snapshot, options: RestoreOptions, reporter: Reporter) -> None:
    """Move aside what is in the way, where somebody has agreed, and look whether the disk has room."""
    inside = [path.name for path in workspace.iterdir()] if workspace.is_dir() else []
    if any(name not in NO_CONTENT and not UNFINISHED.fullmatch(name) for name in inside):
        if not options.yes:
            raise ConfirmationNeededError(
                f"{workspace} is not empty; name an empty folder with --workspace, "
                "or give --yes to move what is there aside"
            )
        if EmbeddedServer(workspace).is_running():
            raise WorkspaceError(f"the database of {workspace} is in use; stop what uses it, then run the same again")
        aside = next(
            path
            for number in range(1, len(list(workspace.parent.iterdir())) + 2)
            if not (path := workspace.with_name(f"{workspace.name}.before-restore-{number}")).exists()
        )
        try:
            with _unused(workspace):
                workspace.rename(aside)
            sync(workspace.parent)
            root_place.follow(aside / "database")
        except OSError as error:
            raise disk_error(error, workspace) from error
        reporter.say(f"restore: what was in {workspace} is in {aside} now")
    try:
        make_folder(workspace)
        free = shutil.disk_usage(workspace).free
    except OSError as error:
        raise disk_error(error, workspace) from error
    needed = snapshot["files"]["bytes"]
    if free < needed:
        raise WorkspaceError(
            f"the snapshot has {needed / 1e9:.1f} GB of files and the disk of {workspace} has {free / 1e9:.1f} GB "
            "free; free some space, or name a folder on another disk with --workspace"
        )


@contextmanager
def _unused(workspace: Path) -> Iterator[None]:
    """Hold every lock of a workspace: a stage that went on would write into what takes its place.

    Raises:
        WorkspaceError: Another process holds one.
        OSError: A lock cannot be opened.
    """
    with ExitStack() as held:
        for path in workspace.glob(".*.lock"):
            lock = FileLock(path)
            held.callback(lock.abandon)
            if not lock.take():
                name = path.stem.removeprefix(".")
                raise WorkspaceError(f"another process runs '{name}' in {workspace}; wait until it ends")
        yield


@contextmanager
def _unfinished(workspace: Path, folder: Path, name: str) -> Iterator[None]:
    """Let nothing else open the workspace until the block has ended well."""
    marker = workspace / RESTORING_FILE
    write_whole(marker, json.dumps({"backup": str(folder), "snapshot": name}).encode())
    yield
    shutil.rmtree(workspace / DRAFTS, ignore_errors=True)
    marker.unlink()
    sync(workspace)
