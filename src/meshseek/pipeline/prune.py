"""Removes snapshots, and the contents that no other one has."""

from __future__ import annotations

from collections.abc import Iterator

from meshseek.workspace.backup_folder import BackupFolder, Snapshot, read_list


def prune(backups: BackupFolder, keep: int) -> int:
    """Remove the oldest snapshots, and then the contents that none of the others has; returns how many snapshots.

    Raises:
        BackupError: A snapshot that stays is damaged; then nothing is removed.
        OSError: The folder cannot be written.
    """
    names = backups.names()
    gone, kept = names[: max(0, len(names) - keep)], names[max(0, len(names) - keep) :]
    snapshots = [backups.read(name) for name in kept]
    for snapshot in snapshots:  # all that stay can be read, before anything goes
        for digest in snapshot["files"]["lists"]:
            read_list(backups.objects, digest)
    for name in gone:
        backups.remove(name)
    backups.objects.remove_others(digest for snapshot in snapshots for digest in contents_of(backups, snapshot))
    return len(gone)


def contents_of(backups: BackupFolder, snapshot: Snapshot) -> Iterator[str]:
    """The digests of all contents of a snapshot; those of files come first, some of them more than once."""
    for digest in snapshot["files"]["lists"]:
        yield digest
        for entry in read_list(backups.objects, digest):
            yield entry.digest
    for database in snapshot["databases"]:
        for table in database["tables"].values():
            yield from table["contents"]
