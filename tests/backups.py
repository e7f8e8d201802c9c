"""Making and restoring backups in this process, and looking at what came back."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from meshseek.pipeline.backup import BackupOptions, backup
from meshseek.pipeline.restore import RestoreOptions, restore
from meshseek.pipeline.stage import Summary
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.store.read.held import HeldVersion, held_version
from meshseek.workspace.workspace import Workspace
from tests.living import ALGORITHM

Tables = dict[str, list[bytes]]


def backed_up(workspace: Workspace, server: Server, folder: Path, **options: Any) -> Summary:
    """Make a snapshot."""
    return backup(workspace, server, [ALGORITHM], folder, BackupOptions(**options), SilentReporter())


def restored(folder: Path, target: Path, server: Server, **options: Any) -> Workspace:
    """Restore a snapshot."""
    restore(folder, target, lambda: server, RestoreOptions(**options), SilentReporter())
    return Workspace(target)


def files(workspace: Workspace) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file that is no lock."""
    return {
        path.relative_to(workspace.folder).as_posix(): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in workspace.folder.rglob("*")
        if path.is_file() and not path.name.endswith("lock")
    }


def tables(server: Server, algorithm: str = ALGORITHM) -> Tables:
    """Every table of the live version, to the bit."""
    with held_version(server, algorithm) as held:
        assert held is not None
        return copied(held)


def copied(held: HeldVersion) -> Tables:
    """The same of a version that is held."""
    bounds = held.bounds()
    return {table: [b"".join(part) for part in held.parts(table, bounds)] for table in sorted(held.columns)}
