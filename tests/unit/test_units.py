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
from meshseek.pipeline.units import UnitWorker, in_units, units_folder
from meshseek.workspace.shards import UNITS, ShardFolder

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


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 20))
def test_units_hold_every_task_once(sizes: list[int], most: int) -> None:
    """In their order; each is large enough, but for the last, and would not be without its last task."""
    tasks = [Task(asset_id=str(number), fingerprint="", payload=size) for number, size in enumerate(sizes)]
    units = [*in_units(tasks, most, lambda task: task.payload)]
    assert [task for unit in units for task in unit] == tasks
    assert all(sum(task.payload for task in unit) >= most for unit in units[:-1])
    assert all(sum(task.payload for task in unit[:-1]) < most for unit in units)


def test_a_unit_is_done_once(tmp_path: Path) -> None:
    """Whoever is given it again takes what is there, and only when the shard is taken it counts."""
    table, work = ShardFolder(tmp_path, SCHEMA), Counted()
    with units_folder(table) as folder:
        first = UnitWorker(work, table, folder).do(3, TASKS)
        assert [outcome.skipped for outcome in first] == [None, None, "is broken", None, None]
        assert UnitWorker(work, ShardFolder(tmp_path, SCHEMA), folder).do(3, TASKS) == first
        assert work.done == 5
        assert not [*tmp_path.glob("part-*")]
        assert first[-1].shard is not None
        table.adopt(first[-1].shard)
    assert not (tmp_path / UNITS).exists()
    assert list(ShardFolder(tmp_path, SCHEMA).fingerprints()) == [f"椅子/{number}" for number in (0, 1, 3, 4)]


def test_nothing_of_an_earlier_run_is_believed(tmp_path: Path) -> None:
    """It may be of another model, or of pictures that were lost since."""
    table, work = ShardFolder(tmp_path, SCHEMA), Counted()
    left = tmp_path / UNITS / "abc"
    left.mkdir(parents=True)
    UnitWorker(work, table, left).do(3, TASKS)
    with units_folder(table) as folder:
        assert not left.exists()
        UnitWorker(work, table, folder).do(3, TASKS)
    assert work.done == 10


@pytest.mark.parametrize("damage", ["shard", "note"])
def test_what_is_not_whole_is_done_again(tmp_path: Path, damage: str) -> None:
    """A shard or a note that was cut."""
    table, work = ShardFolder(tmp_path, SCHEMA), Counted()
    with units_folder(table) as folder:
        worker = UnitWorker(work, table, folder)
        worker.do(0, TASKS)
        (cut,) = folder.glob("part-*" if damage == "shard" else "*.json")
        cut.write_bytes(cut.read_bytes()[:-9])
        worker.do(0, TASKS)
        assert work.done == 10


def test_a_unit_of_which_workers_die_is_given_up(tmp_path: Path) -> None:
    """After three of them, in one line that says which assets; an error is no death."""

    def dying(tasks: Sequence[Task[int]]) -> Iterator[Outcome]:
        raise (SystemExit if dies else EngineError)(len(tasks))

    worker = UnitWorker(dying, ShardFolder(tmp_path, SCHEMA), tmp_path)
    for dies in (False, True, True, True):
        with pytest.raises(SystemExit if dies else EngineError, match="5"):
            worker.do(0, TASKS)
    told = r"3 workers died of the same 5 assets, 椅子/0 to 椅子/4; give .* '--engine local'"
    with pytest.raises(EngineError, match=told):
        worker.do(0, TASKS)


def test_a_table_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """In one line with its path."""
    (tmp_path / "table").write_text("in the way")
    with pytest.raises(WorkspaceError, match="table"), units_folder(ShardFolder(tmp_path / "table", SCHEMA)):
        pass
