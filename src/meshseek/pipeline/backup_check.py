"""Looks whether backups are whole: every content is read and compared with its digest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meshseek.errors import BackupError
from meshseek.pipeline.prune import contents_of
from meshseek.reporting import Reporter
from meshseek.workspace.backup_folder import BackupFolder


@dataclass(slots=True, kw_only=True)
class BackupReport:
    """What is wrong with the snapshots in a folder."""

    faults: dict[str, str] = field(default_factory=dict)
    """What is wrong with a snapshot, by its name; empty where all are whole."""
    snapshots: int = 0
    contents: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {"snapshots": self.snapshots, "contents": self.contents, "faults": self.faults}


def check_backups(folder: Path, reporter: Reporter) -> BackupReport:
    """Read everything in a folder of backups.

    Raises:
        BackupError: It holds none, or another process adds to them.
    """
    backups = BackupFolder(folder)
    backups.expect()
    report = BackupReport()
    with backups.locked(shared=True):
        damaged = set()
        total = sum(1 for _ in backups.objects.digests())
        with reporter.bar("check contents", total) as advance:
            for digest in backups.objects.digests():
                report.contents += 1
                if not backups.objects.is_whole(digest):
                    damaged.add(digest)
                advance(1)
        for name in backups.names():
            report.snapshots += 1
            try:
                needed = contents_of(backups, backups.read(name))
                wrong = {digest for digest in needed if digest in damaged or not backups.objects.has(digest)}
            except BackupError as error:
                report.faults[name] = str(error)
            else:
                if wrong:
                    report.faults[name] = f"{len(wrong):,} contents are missing or damaged, first {min(wrong)}"
    return report


def list_snapshots(folder: Path) -> list[dict[str, Any]]:
    """What there is to restore, the earliest first; of a damaged snapshot, its name and what is wrong.

    Raises:
        BackupError: The folder holds no backups.
    """
    backups = BackupFolder(folder)
    backups.expect()
    listed: list[dict[str, Any]] = []
    for name in backups.names():
        try:
            snapshot = backups.read(name)
        except BackupError as error:
            listed.append({"snapshot": name, "damaged": str(error)})
            continue
        databases = {database["algorithm"]: database["description"]["assets"] for database in snapshot["databases"]}
        size = snapshot["files"]["bytes"] + sum(database["bytes"] for database in snapshot["databases"])
        listed.append(
            {
                "snapshot": name,
                "meshseek": snapshot["meshseek"],
                "files": snapshot["files"]["count"],
                "bytes": size,
                "databases": databases,
            }
        )
    return listed
