"""Workers of a cluster: what they refuse to work with, and how much each of them gets."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from meshseek.errors import EmbedderError, EngineError
from meshseek.pipeline.engines import ray as engine
from meshseek.pipeline.engines.ray import Room, Setting
from meshseek.pipeline.stage import Outcome, Task, Work
from meshseek.workspace.shards import ShardFolder

SCHEMA = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string()})
TASKS = [Task(asset_id=f"{number}", fingerprint="a", payload=None) for number in range(3)]


def rows(tasks: Sequence[Task[None]]) -> Iterator[Outcome]:
    """One row for each."""
    for task in tasks:
        yield Outcome(asset_id=task.asset_id, rows=[{"asset_id": task.asset_id, "fingerprint": task.fingerprint}])


def working(processors: int) -> Work[None]:
    """As a stage gives it."""
    assert processors == 2
    return rows


def without_model(processors: int) -> Work[None]:
    """As where the weights are missing."""
    raise EmbedderError(f"there are no weights for {processors}; copy them here")


def full_disk(tasks: Sequence[Task[None]]) -> Iterator[Outcome]:
    """As where a disk is full."""
    raise EngineError(f"the disk is full, after {len(tasks)}; free some space")


def told(tmp_path: Path, elsewhere: Any, **setting: Any) -> Any:
    """What a worker says of a unit."""
    folder = tmp_path / "table" / ".units" / "run"
    folder.mkdir(parents=True, exist_ok=True)
    given = Setting(**{"versions": engine._versions(), "folder": folder, **setting})
    worker = engine._Worker(given, pickle.dumps((elsewhere, ShardFolder(tmp_path, SCHEMA))), 2)
    (done,) = worker({"unit": [pickle.dumps((0, TASKS))]})["done"]
    return pickle.loads(done)


def test_a_worker_does_units(tmp_path: Path) -> None:
    """And tells of the shard, not of the rows."""
    outcomes = told(tmp_path, working)
    assert [outcome.asset_id for outcome in outcomes] == ["0", "1", "2"]
    assert outcomes[-1].shard["rows"] == 3
    assert all(not outcome.rows for outcome in outcomes)


def test_a_worker_without_its_model_says_so(tmp_path: Path) -> None:
    """In one line that names its machine."""
    assert told(tmp_path, without_model).endswith(": there are no weights for 2; copy them here")
    assert told(tmp_path, without_model).startswith("on ")


def unforeseen(processors: int) -> Work[None]:
    """As where a library is broken."""
    raise ImportError(f"libcuda.so.{processors}: cannot open shared object file")


def test_a_worker_with_an_unforeseen_error_says_so(tmp_path: Path) -> None:
    """Likewise, with what it is called."""
    assert told(tmp_path, unforeseen).endswith(": ImportError: libcuda.so.2: cannot open shared object file")


def test_a_worker_that_cannot_go_on_says_so(tmp_path: Path) -> None:
    """Likewise."""
    assert told(tmp_path, partial(_given, full_disk)).endswith(": the disk is full, after 3; free some space")


def _given(work: Work[None], processors: int) -> Work[None]:
    del processors
    return work


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (("meshseek 99",), ": python is 3.1"),
        ((*engine._versions()[:1], "meshseek 99", *engine._versions()[2:]), "meshseek is 0.1.0, and 99 where the"),
        ((*engine._versions(), "zzz 1"), "zzz is not installed, and 1 where the command was given"),
    ],
)
def test_other_programs_are_named(tmp_path: Path, versions: tuple[str, ...], expected: str) -> None:
    """The first that differs, with both versions and the cure."""
    said = told(tmp_path, working, versions=versions)
    assert expected in said
    assert said.endswith("install the same on all machines")


def test_another_folder_in_the_workspaces_place_is_told(tmp_path: Path) -> None:
    """It lacks the folder that was made a moment ago."""
    said = told(tmp_path, working, folder=tmp_path / "a" / "b" / "c")
    assert (
        f"{tmp_path / 'a'} is not the folder that it is where the command was given; put the workspace on storage"
        in said
    )


@pytest.mark.parametrize(
    ("nodes", "wanted", "units", "expected"),
    [
        ([{"CPU": 8.0}, {"CPU": 8.0}], None, 9, Room(2, 8, 0)),
        ([{"CPU": 8.0}, {"CPU": 4.0}], None, 9, Room(3, 4, 0)),
        ([{"CPU": 8.0}, {"CPU": 8.0}], None, 1, Room(1, 8, 0)),
        ([{"CPU": 8.0}, {"CPU": 8.0}], 4, 9, Room(4, 4, 0)),
        ([{"CPU": 8.0}, {"CPU": 8.0}], 99, 99, Room(16, 1, 0)),
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 16.0, "GPU": 2.0}], None, 9, Room(4, 8, 1)),
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 16.0}], 1, 9, Room(1, 8, 1)),
        ([{"CPU": 8.0}, {"CPU": 8.0}], 1, 9, Room(1, 8, 0)),
        ([{"CPU": 8.0}, {"CPU": 8.0}], 3, 9, Room(3, 4, 0)),
        ([{"CPU": 1.0}, {}], None, 9, Room(1, 1, 0)),
    ],
)
def test_each_gpu_or_machine_has_a_worker(
    nodes: list[dict[str, float]], wanted: int | None, units: int, expected: Room
) -> None:
    """With as many processors as the smallest machine has; no more workers than units."""
    alive = [{"Alive": True, "Resources": node} for node in nodes]
    dead = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
    assert engine._room([*alive, dead], wanted, units, uses_gpu=True) == expected


def test_work_without_a_gpu_goes_to_every_machine() -> None:
    """GPUs are left to others."""
    resources = [{"CPU": 16.0, "GPU": 2.0}, {"CPU": 16.0}]
    nodes = [{"Alive": True, "Resources": node} for node in resources]
    assert engine._room(nodes, None, 9, uses_gpu=False) == Room(2, 16, 0)


def test_a_cluster_without_processors_is_told() -> None:
    """In one line, with the cure."""
    with pytest.raises(EngineError, match="has no processors to work with; start its nodes with --num-cpus"):
        engine._room([{"Alive": True, "Resources": {"GPU": 1.0}}], None, 1, uses_gpu=True)
