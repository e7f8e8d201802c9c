"""What of a workspace's folder belongs to a backup: all that cannot be made again, and nothing that is unfinished."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from meshseek.workspace.entries import LEFT_OUT, LIBRARIES
from meshseek.workspace.manifest import MANIFEST, read_manifest
from meshseek.workspace.shards import UNITS
from meshseek.workspace.workspace import Workspace

UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.tmp|\.(.*\.)?lock|.*\.part|.*\.sqlite3-(journal|wal|shm)")
"""Files: drafts, locks, and SQLite's own."""
DRAFTS = {"models/.drafts", "views/.drafts"}
SHARD = re.compile(r"part-\d+-[0-9a-f]+\.parquet")


class Table(NamedTuple):
    """A table as its manifest had it when it was read."""

    folder: str
    """Relative to the workspace."""
    manifest: bytes
    status: os.stat_result
    shards: list[dict[str, object]]


def table_folders(workspace: Workspace) -> list[str]:
    """The tables of a workspace, those first that are made from others."""
    vectors = [
        f"vectors/{algorithm}/{source}"
        for algorithm in workspace.algorithms()
        for source in workspace.embedded_sources(algorithm)
    ]
    return [*vectors, "captions_zh", "rendered", "assets"]


def read_table(workspace: Workspace, folder: str) -> Table | None:
    """A table's manifest, and what it names; None where nothing was written yet.

    Raises:
        WorkspaceError: It is damaged.
    """
    path = workspace.folder / folder / MANIFEST
    try:
        content, status = path.read_bytes(), path.stat()
    except FileNotFoundError:
        return None
    manifest = read_manifest(path.parent, content)
    return None if manifest is None else Table(folder, content, status, manifest["shards"])


def library_files(workspace: Workspace, odd: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    """The records and listings of the libraries, which must be of the same moment as the tables.

    Args:
        workspace: Whose.
        odd: As for :func:`other_files`.
    """
    return _at_top(workspace.folder / LIBRARIES, set(), odd)


def other_files(workspace: Workspace, odd: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    """All other files that belong to a backup than those and the manifests and shards of tables, ordered by their keys.

    Args:
        workspace: Whose.
        odd: Gets the paths of what is neither a file nor a folder, such as links: Meshseek makes none.
    """
    tables = set(table_folders(workspace))
    for name in sorted(path.name for path in workspace.folder.iterdir()):
        if name in LEFT_OUT:
            continue
        yield from _at_top(workspace.folder / name, tables, odd)


def _at_top(path: Path, tables: AbstractSet[str], odd: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    if path.is_symlink() and path.is_dir():  # somebody put a large folder onto another disk
        yield from _below(path, path.name, tables, odd)
    else:
        yield from _looked_at(path, path.name, tables, odd)


def _looked_at(path: Path, name: str, tables: AbstractSet[str], odd: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    try:
        found = path.lstat()
    except OSError:  # it went meanwhile, as nothing does that a snapshot names
        return
    if stat.S_ISDIR(found.st_mode):
        if name not in DRAFTS and PurePosixPath(name).name != UNITS:
            yield from _below(path, name, tables, odd)
    elif stat.S_ISREG(found.st_mode):
        if not UNFINISHED.fullmatch(path.name):
            yield name, found
    else:
        odd.append(name)


def _below(folder: Path, name: str, tables: AbstractSet[str], odd: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  # a million paths would take too much memory
    except FileNotFoundError:
        return
    is_table = name in tables
    for inner in names:
        if not (is_table and (inner == MANIFEST or SHARD.fullmatch(inner))):
            yield from _looked_at(folder / inner, f"{name}/{inner}", tables, odd)
