"""Tables on disk when the writer is killed, or the disk is full."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from meshseek.errors import WorkspaceError
from meshseek.workspace.manifest import read_manifest
from meshseek.workspace.shards import ShardFolder

SCHEMA = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string(), "value": pa.int64()})
IMPORTS = """
import pyarrow as pa
from pathlib import Path
from meshseek.errors import WorkspaceError
from meshseek import files
from meshseek.workspace import shards
schema = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string(), "value": pa.int64()})
row = {"asset_id": "new", "fingerprint": "f", "value": 9}
"""


def row(asset_id: str, value: int, fingerprint: str = "f") -> dict[str, Any]:
    """One row."""
    return {"asset_id": asset_id, "fingerprint": fingerprint, "value": value}


def table(folder: Path) -> ShardFolder:
    """The table in a folder, read afresh."""
    return ShardFolder(folder, SCHEMA)


def rows(folder: Path) -> list[tuple[str, int]]:
    """What the table says now."""
    return [(found["asset_id"], found["value"]) for part in table(folder).tables() for found in part.to_pylist()]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A table of two shards with three rows."""
    made = table(tmp_path / "table")
    made.append([row("a", 1), row("b", 2)])
    made.append([row("c", 3)])
    return tmp_path / "table"


@pytest.mark.parametrize("victim", ["MANIFEST", "FIRST"])
def test_killed_while_writing(filled: Path, victim: str) -> None:
    """Kill -9 inside the shard's writing, or between shard and manifest, leaves the former table; a rerun completes."""
    kill = f"""
import os
real = os.fsync
calls = []
def fsync(number):
    real(number)
    calls.append(number)
    if len(calls) == {1 if victim == "FIRST" else 2}:
        os.kill(os.getpid(), 9)
files.os.fsync = fsync
shards.ShardFolder(Path({str(filled)!r}), schema).append([row])
"""
    ended = subprocess.run([sys.executable, "-c", IMPORTS + kill], check=False).returncode

    assert ended == -signal.SIGKILL
    assert rows(filled) == [("a", 1), ("b", 2), ("c", 3)]
    table(filled).append([row("new", 9)])
    assert rows(filled) == [("a", 1), ("b", 2), ("c", 3), ("new", 9)]


@contextlib.contextmanager
def tiny_disk(folder: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount, and not in every container")
    try:
        yield folder
    finally:
        # Lazily: Arrow's own threads may let go of a file a moment after it was read.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_leaves_the_table_whole(tmp_path: Path) -> None:
    """What does not fit is not there at all, and the error says that the disk is full."""
    with tiny_disk(tmp_path / "disk") as disk:
        table(disk / "table").append([row("a", 1)])
        (disk / "filler").write_bytes(bytes(48_000))
        with pytest.raises(WorkspaceError, match=r"the disk that holds .* is full; free some space"):
            table(disk / "table").append([row(os.urandom(32).hex(), number) for number in range(2000)])

        assert rows(disk / "table") == [("a", 1)]
        assert read_manifest(disk / "table") is not None
        assert sorted(path.suffix for path in (disk / "table").iterdir()) == [".json", ".parquet"]


def test_a_limit_on_files_leaves_the_table_whole(filled: Path) -> None:
    """A write that the system cuts short leaves nothing that counts, and is one line."""
    limited = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
try:
    shards.ShardFolder(Path({str(filled)!r}), schema).append([row] * 5000)
except WorkspaceError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", IMPORTS + limited], capture_output=True, text=True, check=True).stdout

    assert told == f"cannot write to {filled}: File too large; check the folder and its permissions\n"
    assert rows(filled) == [("a", 1), ("b", 2), ("c", 3)]
    assert sorted(path.suffix for path in filled.iterdir()) == [".json", ".parquet", ".parquet"]
