"""The world's vectors: what queries may well be about, whatever a library holds, in one file for each algorithm."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from meshseek.files import disk_error, make_folder, write_whole
from meshseek.model import Language, Space
from meshseek.workspace.halves import COLUMN, column_type, from_column, to_column, to_singles
from meshseek.workspace.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

WorldTexts = Sequence[tuple[str, Language | None]]

_FILE = "world.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Texts and their unit vectors, in one order."""

    space: Space
    texts: list[str]
    languages: list[Language | None]
    vectors: NDArray[np.float32]
    """Shape ``(len(texts), dim)``; may have no rows."""
    fingerprint: str
    """Of the texts that it was wanted to hold; empty where some of them are still to be embedded."""


def world_fingerprint(texts: WorldTexts) -> str:
    """What a world is made from."""
    return hashlib.sha256(json.dumps([list(pair) for pair in texts]).encode()).hexdigest()[:16]


def read_world(workspace: Workspace, algorithm: str, space: Space) -> World | None:
    """Read an algorithm's world; None where there is none of this space, or it is damaged: embedding makes it again."""
    world = _read(_path(workspace, algorithm))
    return world if world is not None and world.space == space else None


def is_world_whole(workspace: Workspace, algorithm: str) -> bool:
    """Whether an algorithm's world is there and nothing of it is still to be embedded; an embedder may give none."""
    world = _read(_path(workspace, algorithm))
    return world is not None and world.fingerprint != ""


def damaged_world(workspace: Workspace, algorithm: str) -> Path | None:
    """The file of an algorithm's world, if it is there and cannot be read."""
    path = _path(workspace, algorithm)
    return path if path.exists() and _read(path) is None else None


def write_world(workspace: Workspace, algorithm: str, world: World) -> None:
    """Write a world in place of the one that is there.

    Raises:
        WorkspaceError: The workspace cannot be written.
    """
    path = _path(workspace, algorithm)
    vectors = np.asarray(world.vectors, dtype=np.float16).reshape(len(world.texts), world.space.dim)
    header = {"space": json.dumps(asdict(world.space)), "fingerprint": world.fingerprint}
    schema = pa.schema(
        {"text": pa.string(), "language": pa.string(), COLUMN: column_type(world.space.dim)}, metadata=header
    )
    table = pa.table([pa.array(world.texts), pa.array(world.languages, pa.string()), to_column(vectors)], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True)
    try:
        make_folder(path.parent)
        for leftover in path.parent.glob(".*.tmp"):  # of a process that was killed: a world has one writer
            leftover.unlink()
        write_whole(path, memoryview(sink.getvalue()))
    except OSError as error:
        raise disk_error(error, path.parent) from error


def _path(workspace: Workspace, algorithm: str) -> Path:
    return workspace.folder / "vectors" / algorithm / "world" / _FILE


def _read(path: Path) -> World | None:
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        header = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        return World(
            space=Space(**json.loads(header["space"])),
            texts=table["text"].to_pylist(),
            languages=table["language"].to_pylist(),
            vectors=to_singles(from_column(table)),
            fingerprint=header["fingerprint"],
        )
    except (OSError, pa.ArrowException, AttributeError, KeyError, TypeError, ValueError):
        return None
