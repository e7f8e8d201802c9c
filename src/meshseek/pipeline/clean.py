"""Clean: models, views and rows of assets that left, and of what assets once were, are deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from meshseek.files import abandoned_drafts, disk_error
from meshseek.pipeline.stage import Summary
from meshseek.store.postgres import Server
from meshseek.store.read.files_in_use import files_in_use
from meshseek.store.shards import Shards
from meshseek.workspace.compaction import compact, freed
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.workspace import Workspace

STAGES = ("update", "import", "render", "translate", "backup")
"""What must not go on meanwhile; each has its lock. A backup relies on it that what it has seen stays."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What nobody needs."""

    files: list[Path]
    """Models and views, and what processes that were killed have left."""
    kept: set[str]
    """Ids of the assets whose rows stay."""
    tables: list[ShardFolder]

    @property
    def bytes(self) -> int:
        """About how much room it takes."""
        return sum(path.lstat().st_size for path in self.files) + sum(freed(table, self.kept) for table in self.tables)


def clean(workspace: Workspace, databases: Server | Shards, algorithms: list[str], *, dry_run: bool) -> Summary:
    """Delete what neither the workspace's assets nor a published version needs.

    Args:
        workspace: Where it is; no stage may run in it.
        databases: Have the published versions.
        algorithms: All that may be published.
        dry_run: Only say how much it would be.

    Raises:
        WorkspaceError: A stage is running, a table is damaged, or the workspace cannot be written.
        DatabaseError: It cannot be told what the published versions need; nothing is deleted then.
    """
    started = time.monotonic()
    with ExitStack() as locks:
        for stage in (*STAGES, *(f"{stage}-{name}" for name in algorithms for stage in ("embed", "publish"))):
            locks.enter_context(workspace.lock(stage))
        garbage = find_garbage(workspace, databases, algorithms)
        summary = Summary(stage="clean", done=len(garbage.files))
        summary.details["bytes freed"] = garbage.bytes if dry_run else _delete(garbage, workspace)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def find_garbage(workspace: Workspace, databases: Server | Shards, algorithms: list[str]) -> Garbage:
    """What nobody needs.

    Raises:
        WorkspaceError: A table is damaged, or its manifest is missing.
        DatabaseError: It cannot be told what the published versions need.
    """
    tables = list(all_tables(workspace))
    for table in tables:
        table.expect_manifest()  # else all of its shards would be taken for garbage
    models, views, kept = set[str | None](), set[str](), set[str]()
    for name in algorithms:
        used = files_in_use(databases, name)
        models |= used.models
        views |= {folder.removeprefix(f"{workspace.views.name}/") for folder in used.view_folders}
    listed = workspace.libraries.current() if workspace.libraries.are_known else None
    for part in workspace.assets_table().tables(columns=["asset_id", "model"]):
        for row in part.to_pylist():
            if listed is None or row["asset_id"] in listed:  # also where it is to be read again
                kept.add(row["asset_id"])
                models.add(row["model"])
    for part in workspace.rendered_table().tables(kept, ["asset_id", "folder"]):
        rows = zip(part["asset_id"].to_pylist(), part["folder"].to_pylist(), strict=True)
        views |= {folder for asset_id, folder in rows if asset_id in kept and folder is not None}
    files = [path for path in _files(workspace.models) if path.relative_to(workspace.models).as_posix() not in models]
    files += [path for path in _files(workspace.views) if not _is_in(path.relative_to(workspace.views), views)]
    return Garbage(sorted({*files, *_left_by_killed(workspace)}), kept, tables)


def _left_by_killed(workspace: Workspace) -> Iterator[Path]:
    """Drafts, and the listings of libraries that were forgotten or never came to be; tables see to their own."""
    yield from abandoned_drafts(workspace.folder, deep=False)
    worlds = (workspace.folder / "vectors" / name / "world" for name in workspace.algorithms())
    for folder in (workspace.remembered.folder, *worlds):
        yield from abandoned_drafts(folder)
    folder, known = workspace.libraries.folder, {library.name for library in workspace.libraries.all()}
    yield from abandoned_drafts(folder)
    yield from (path for own in folder.glob("*/") if own.name not in known for path in _files(own))


def _delete(garbage: Garbage, workspace: Workspace) -> int:
    """Files first: where the disk is full, that makes the room in which tables are written anew."""
    bytes_freed = 0
    try:
        for path in garbage.files:
            bytes_freed += path.lstat().st_size
            path.unlink()
        for folder in (workspace.models, workspace.views, workspace.libraries.folder):
            _remove_empty(folder)
    except OSError as error:
        raise disk_error(error, workspace.folder) from error
    return bytes_freed + sum(compact(table, garbage.kept) for table in garbage.tables)


def all_tables(workspace: Workspace) -> Iterator[ShardFolder]:
    """Every table of a workspace."""
    yield from (workspace.assets_table(), workspace.rendered_table(), workspace.chinese_captions_table())
    for algorithm in workspace.algorithms():
        for source in workspace.embedded_sources(algorithm):
            yield workspace.vectors_table(algorithm, source)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def _is_in(path: Path, folders: set[str]) -> bool:
    return any(parent.as_posix() in folders for parent in path.parents)


def _remove_empty(folder: Path) -> None:
    """Remove the folders below one that hold nothing, the deepest first."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
