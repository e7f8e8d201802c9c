"""A stage's work in units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.errors import EngineError, WorkspaceError
from meshseek.pipeline.stage import Outcome, Task
from meshseek.pipeline.units import TRIES, UNITS, UnitWorker, forget_units, in_units
from meshseek.workspace.shards import ShardFolder

SCHEMA = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string()})
TASKS = [Task(asset_id=f"椅子/{number}", fingerprint="a", payload=number) for number in range(5)]


class Counted:
    """Work that counts the tasks it has done."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, tasks: Sequence[Task[int]]) -> Iterator[Outcome]:
        """One row for each, but none for the third."""
        for task in tasks:
            self.done += 1
            row = {"asset_id": task.asset_id, "fingerprint": task.fingerprint}
            skipped = "is broken" if task.payload == 2 else None
            yield Outcome(asset_id=task.asset_id, rows=[] if skipped else [row], skipped=skipped)


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 20), st.data())
def test_without_whole_units_the_others_are_cut_as_before(sizes: list[int], most: int, data: st.DataObject) -> None:
    """So a run that goes on makes the same shards as one that was never stopped."""
    tasks = [Task(asset_id=str(number), fingerprint="", payload=size) for number, size in enumerate(sizes)]
    units = [*in_units(tasks, most, lambda task: task.payload)]
    assert [task for unit in units for task in unit] == tasks
    whole = units if sum(task.payload for task in (units or [[]])[-1]) >= most else units[:-1]
    done = data.draw(st.sets(st.sampled_from(range(len(whole))))) if whole else set()
    left = [unit for number, unit in enumerate(units) if number not in done]
    assert [*in_units([task for unit in left for task in unit], most, lambda task: task.payload)] == left


def test_a_unit_is_done_once(tmp_path: Path) -> None:
    """Whoever is given it again takes what is there, in the same shard."""
    table, work = ShardFolder(tmp_path, SCHEMA), Counted()
    first = UnitWorker(work, table).do(3, TASKS)
    assert [outcome.skipped for outcome in first] == [None, None, "is broken", None, None]
    assert UnitWorker(work, ShardFolder(tmp_path, SCHEMA)).do(3, TASKS) == first
    assert work.done == 5
    assert table.shards == []
    shard = first[-1].shard
    assert shard is not None
    table.keep_shards([dict(shard)])
    forget_units(table)
    assert not (tmp_path / UNITS).exists()
    assert list(ShardFolder(tmp_path, SCHEMA).fingerprints()) == [f"椅子/{number}" for number in (0, 1, 3, 4)]


@pytest.mark.parametrize("damage", ["shard", "note", "other"])
def test_what_is_not_whole_is_done_again(tmp_path: Path, damage: str) -> None:
    """A shard or a note that was cut, and tasks that are made from something else."""
    table, work = ShardFolder(tmp_path, SCHEMA), Counted()
    worker = UnitWorker(work, table)
    (*_, last) = worker.do(0, TASKS)
    assert last.shard is not None
    tasks = TASKS
    if damage == "other":
        tasks = [Task(asset_id=task.asset_id, fingerprint="b", payload=task.payload) for task in TASKS]
    else:
        (cut,) = [tmp_path / last.shard["file"]] if damage == "shard" else (tmp_path / UNITS).glob("*.json")
        cut.write_bytes(cut.read_bytes()[:-9])
    worker.do(0, tasks)
    assert work.done == 10


def test_a_unit_of_which_workers_die_is_given_up(tmp_path: Path) -> None:
    """After three of them, in one line that says which assets."""

    def dying(tasks: Sequence[Task[int]]) -> Iterator[Outcome]:
        raise KeyboardInterrupt(len(tasks))

    worker = UnitWorker(dying, ShardFolder(tmp_path, SCHEMA))
    for _ in range(TRIES):
        with pytest.raises(KeyboardInterrupt):
            worker.do(0, TASKS)
    with pytest.raises(
        EngineError, match=r"3 workers died of the same 5 assets, 椅子/0 to 椅子/4; give .* '--engine local'"
    ):
        worker.do(0, TASKS)


def test_a_table_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """In one line with its path."""
    (tmp_path / "table").write_text("in the way")
    with pytest.raises(WorkspaceError, match="table"):
        UnitWorker(Counted(), ShardFolder(tmp_path / "table", SCHEMA)).do(0, TASKS)
