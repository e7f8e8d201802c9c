"""What every stage does: resume, skip, count, and keep what is done whatever happens."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from meshseek.errors import UnreadableAssetError, WorkspaceError
from meshseek.pipeline import stage
from meshseek.pipeline.stage import Outcome, Summary, Task, attempt, run_stage
from meshseek.pipeline.workers import in_processes
from meshseek.reporting import SilentReporter
from meshseek.workspace.shards import ShardFolder

SCHEMA = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string(), "value": pa.string()})


def task(asset_id: str, fingerprint: str = "1") -> Task[str]:
    """One asset's work, told by its id."""
    return Task(asset_id=asset_id, fingerprint=fingerprint, payload=asset_id)


def done(item: Task[str]) -> Outcome:
    """Keep a row; payloads tell what should go wrong instead."""
    if item.payload.startswith("bad"):
        return Outcome(asset_id=item.asset_id, skipped="is bad, 坏")
    if item.payload == "bomb":
        raise RuntimeError("boom")
    if item.payload == "killed":
        os._exit(9)
    row = {"asset_id": item.asset_id, "fingerprint": item.fingerprint, "value": str(os.getpid())}
    return Outcome(asset_id=item.asset_id, rows=[row])


def work(tasks: Sequence[Task[str]]) -> Iterator[Outcome]:
    """Do the tasks one by one, lazily."""
    return (done(item) for item in tasks)


class Run:
    """A stage on one folder, run again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *tasks: Task[str], how: Any = work) -> Summary:
        """Run it on these tasks."""
        return run_stage("try", iter(tasks), how, ShardFolder(self.folder, SCHEMA), SilentReporter())

    @property
    def ids(self) -> list[str]:
        """The finished assets in the order of writing."""
        return [name for table in ShardFolder(self.folder, SCHEMA).tables() for name in table["asset_id"].to_pylist()]

    @property
    def skipped(self) -> list[dict[str, str]]:
        """What the last run listed."""
        return [json.loads(line) for line in (self.folder / "skipped.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A stage that was never run."""
    return Run(tmp_path / "stage")


def counts(summary: Summary) -> tuple[int, int, int]:
    """Done, skipped, already there."""
    return summary.done, summary.skipped, summary.already_there


def test_work_is_done_once(run: Run) -> None:
    """The second run finds all there and does not even begin to work."""
    assert counts(run(task("a"), task("b"))) == (2, 0, 0)
    assert counts(run(task("a"), task("b"), how=lambda _: pytest.fail("nothing is left to do"))) == (0, 0, 2)
    assert run.ids == ["a", "b"]


def test_only_what_changed_is_done_again(run: Run) -> None:
    """Another fingerprint is new work; its row replaces the old one."""
    run(task("a"), task("b"))

    assert counts(run(task("a"), task("b", "2"), task("c"))) == (2, 0, 1)
    assert run.ids == ["a", "b", "c"]
    assert ShardFolder(run.folder, SCHEMA).fingerprints() == {"a": "1", "b": "2", "c": "1"}


def test_what_cannot_be_done_is_listed_and_tried_again(run: Run) -> None:
    """Each run lists its own skipped assets with the reason, in Unicode."""
    reason = [{"asset_id": "bad1", "reason": "is bad, 坏", "fingerprint": "1"}]

    assert counts(run(task("bad1"), task("a"))) == (1, 1, 0)
    assert run.skipped == reason
    assert counts(run(task("bad1"), task("a"))) == (0, 1, 1)
    assert run.skipped == reason
    assert counts(run(task("a"), task("bad2"))) == (0, 1, 1)
    assert run.skipped == [*reason, {**reason[0], "asset_id": "bad2"}], "a run says nothing of what it was not given"
    assert counts(run(task("a"), task("bad1"), task("bad2"), how=lambda tasks: map(done, (task("a") for _ in tasks))))
    assert run.skipped == []


def test_an_unforeseen_error_keeps_what_is_done(run: Run) -> None:
    """The rows before it are written, and the next run goes on after them."""
    with pytest.raises(RuntimeError, match="boom"):
        run(task("a"), task("bomb"), task("b"))
    assert run.ids == ["a"]
    assert counts(run(task("a"), task("b"))) == (1, 0, 1)


def test_a_shard_is_written_when_it_is_full(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven rows at three a shard make three shards, and an asset's rows stay together."""
    monkeypatch.setattr(stage, "SHARD_ROWS", 3)
    run(*(task(str(number)) for number in range(7)))

    tables = [table["asset_id"].to_pylist() for table in ShardFolder(run.folder, SCHEMA).tables()]
    assert tables == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_a_shard_is_written_after_a_while(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow work is kept row by row."""
    monkeypatch.setattr(stage, "SHARD_SECONDS", 0.0)
    run(task("a"), task("b"))

    assert len(list(ShardFolder(run.folder, SCHEMA).tables())) == 2


def test_workers_are_other_processes_and_keep_the_order(run: Run) -> None:
    """More tasks than the queue holds come back in order; a killer is skipped, the rest goes on."""
    names = [f"{number:03d}" for number in range(60)]
    assert counts(run(*map(task, names), task("bad"), how=in_processes(1, done))) == (60, 1, 0)
    assert run.ids == names
    (table,) = ShardFolder(run.folder, SCHEMA).tables()
    assert str(os.getpid()) not in table["value"].to_pylist()

    assert counts(run(task("killed"), task("later"), how=in_processes(1, done))) == (1, 1, 0)
    assert run.ids == [*names, "later"]
    assert "its process was killed" in (run.folder / "skipped.jsonl").read_text("utf-8")


def test_a_table_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file in the way of the folder is said with the cure."""
    (tmp_path / "stage").touch()
    with pytest.raises(WorkspaceError, match=r"stage"):
        Run(tmp_path / "stage")(task("a"))


def _full(*, wrapped: bool) -> list[dict[str, Any]]:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if wrapped:
        raise UnreadableAssetError("cannot be converted") from full
    raise full


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_full_disk_is_no_fault_of_the_asset(run: Run, wrapped: bool) -> None:  # noqa: FBT001
    """The stage ends with one line instead of skipping every asset that is left."""
    with pytest.raises(WorkspaceError, match="is full; free some space and run the same command again"):
        run(task("a"), how=lambda tasks: (attempt(item.asset_id, lambda: _full(wrapped=wrapped)) for item in tasks))


def test_an_unreadable_asset_is_an_outcome() -> None:
    """Its reason becomes the outcome's."""

    def read() -> list[dict[str, Any]]:
        raise UnreadableAssetError("is not a GLB")

    assert attempt("a", read) == Outcome(asset_id="a", skipped="is not a GLB")


def test_a_summary_reads_as_one_line() -> None:
    """Counts, seconds and details."""
    summary = Summary(stage="embed", done=3, skipped=2, already_there=1, seconds=0.46, details={"views": 9})

    assert str(summary) == "embed: 3 done, 2 skipped, 1 already there, 0.5 s, views 9"
    assert summary.as_json()["details"] == {"views": 9}
