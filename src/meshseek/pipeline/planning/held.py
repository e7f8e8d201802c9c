"""What of a plan is on the disk already; told from files, without asking the database, which need not run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meshseek.pipeline.planning.amounts import Amounts
from meshseek.pipeline.planning.storage import CODES, Storage
from meshseek.store.embedded.root_place import pointed
from meshseek.workspace.workspace import Workspace

TOLERANCE: Final = 0.75
"""Codes and a database that have so much of what is planned have all of it: the plan is no more exact than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is there."""

    shares: Mapping[str, float]
    """Of what is planned, by the names of :class:`~meshseek.pipeline.planning.storage.Storage`."""
    codes: int
    """Bytes of the file."""
    database: int
    """Bytes of all tables and indexes."""


def held_by(workspace: Workspace, algorithm: str, amounts: Amounts, files_prefix: str) -> Held:
    """Look at what is there.

    Args:
        workspace: That is planned for.
        algorithm: Whose vectors and database count; those of others are no part of the plan.
        amounts: What is planned.
        files_prefix: What the names of its files of codes begin with.

    Raises:
        WorkspaceError: A manifest is damaged.
    """
    there = workspace.embedded_sources(algorithm)
    rows = {source: len(workspace.vectors_table(algorithm, source)) for source in there}
    views = rows.pop("appearance", 0)
    return Held(
        shares={
            "assets": 1,
            "models": 1,
            "views": 1 - amounts.rendered / max(1, amounts.kept),
            "vectors of captions": sum(rows.values()) / max(1, amounts.english + amounts.chinese),
            "vectors of views": views / max(1, amounts.views),
        },
        codes=sum(path.stat().st_size for path in workspace.codes.glob(f"{files_prefix}-*.codes")),
        database=_database(workspace, algorithm),
    )


def already(storage: Storage, held: Held | None) -> int:
    """Bytes of what is planned that are there; none of another machine or library, of which nothing is known."""
    if held is None:
        return 0
    files = sum(size * min(1.0, held.shares.get(name, 0)) for name, size in storage.workspace.items())
    codes = _nearly(held.codes, storage.workspace.get(CODES, 0))
    return int(files) + codes + _nearly(held.database, sum(storage.database.values()))


def _nearly(there: int, planned: int) -> int:
    return planned if there >= TOLERANCE * planned else there


def _database(workspace: Workspace, algorithm: str) -> int:
    """Of the algorithm's database; where others are in the same server, by the share of its vectors."""
    published = [name for name in workspace.algorithms() if workspace.remembered.get("publish", name)]
    vectors = {name: _vector_bytes(workspace, name) for name in published}
    if not vectors.get(algorithm):
        return 0
    home = workspace.folder.resolve() / "database"
    try:
        folder = pointed(home)
    except OSError:  # another user's, who alone can publish here
        return 0
    data = home / "cluster" if folder is None else folder / "data"
    return sum(_sizes(data / "base")) * vectors[algorithm] // sum(vectors.values())


def _vector_bytes(workspace: Workspace, algorithm: str) -> int:
    tables = (workspace.vectors_table(algorithm, source) for source in workspace.embedded_sources(algorithm))
    return sum(shard["bytes"] for table in tables for shard in table.shards)


def _sizes(folder: Path) -> Iterator[int]:
    """Of the files below a folder, as far as it can be read: a server may be changing them."""
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                yield (Path(path) / name).stat().st_size
            except OSError:
                continue
