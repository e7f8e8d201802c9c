"""A stage's work in units: each may be done anywhere, becomes one shard, and is done once however often it is tried."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pyarrow as pa

import meshseek
from meshseek.errors import EngineError
from meshseek.files import disk_error, make_folder, write_whole
from meshseek.pipeline.stage import Outcome, Task, Work
from meshseek.sealed import sealed, unsealed

if TYPE_CHECKING:
    from meshseek.workspace.shards import ShardFolder

T = TypeVar("T")

UNITS = ".units"
"""Folder in a table's: what was done and is not yet in the manifest."""
TRIES = 3
"""So many workers may die of one unit before it is given up."""


def _one(task: Task[Any]) -> int:
    del task
    return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[T]):
    """What a stage has to do, for whoever does it."""

    here: Work[T]
    """Does it in this process."""
    elsewhere: Callable[[int], Work[T]]
    """Picklable: makes the same work in another process, which may use so many processors."""
    table: ShardFolder
    """Gets the rows."""
    most: int
    """A unit ends when it is so large."""
    size: Callable[[Task[T]], int] = _one
    """How large a task is; one of no size is not worth sending anywhere."""

    def divided(self, tasks: Sequence[Task[T]]) -> tuple[list[Task[T]], list[list[Task[T]]]]:
        """Tasks that are done here, and the units of the others."""
        small = [task for task in tasks if not self.size(task)]
        return small, [*in_units((task for task in tasks if self.size(task)), self.most, self.size)]


def in_units(tasks: Iterable[Task[T]], most: int, size: Callable[[Task[T]], int] = _one) -> Iterator[list[Task[T]]]:
    """Cut tasks where they are large enough together; without some whole units, the others are cut as before."""
    unit: list[Task[T]] = []
    total = 0
    for task in tasks:
        unit.append(task)
        total += size(task)
        if total >= most:
            yield unit
            unit, total = [], 0
    if unit:
        yield unit


class UnitWorker(Generic[T]):
    """Does units in a process of its own, wherever that is.

    Args:
        work: Does their tasks.
        table: Whose shards they become. The manifest is another's to write.
    """

    def __init__(self, work: Work[T], table: ShardFolder) -> None:
        self._work = work
        self._table = table
        self._folder = table.folder / UNITS

    def do(self, number: int, tasks: Sequence[Task[T]]) -> list[Outcome]:
        """Do a unit, or take what another worker made of it before it died.

        Args:
            number: Of the shard.
            tasks: Of the unit.

        Returns:
            Outcomes without their rows; the last one has the shard.

        Raises:
            WorkspaceError: The table cannot be written.
            EngineError: Workers die of it.
        """
        note = self._folder / f"{_key(self._table, tasks)}.json"
        try:
            make_folder(self._folder)
            done = self._done(note)
            if done is None:
                self._count_try(note, tasks)
                done = self._made(number, tasks)
                write_whole(note, sealed({"outcomes": done}))
        except OSError as error:
            raise disk_error(error, self._table.folder) from error
        return [Outcome(**outcome) for outcome in done]

    def _made(self, number: int, tasks: Sequence[Task[T]]) -> list[dict[str, Any]]:
        rows: list[Any] = []
        done: list[dict[str, Any]] = []
        for outcome in self._work(tasks):
            rows.extend(outcome.rows)
            left_out = list(outcome.left_out)
            done.append({"asset_id": outcome.asset_id, "skipped": outcome.skipped, "left_out": left_out})
        if rows:
            done[-1]["shard"] = self._table.write_shard(pa.Table.from_pylist(rows, schema=self._table.schema), number)
        return done

    def _done(self, note: Path) -> list[dict[str, Any]] | None:
        """What a note tells, if its shard is whole."""
        try:
            done: list[dict[str, Any]] = unsealed(note.read_bytes())["outcomes"]
        except (OSError, ValueError, KeyError):
            return None
        return done if all(self._table.is_whole(each["shard"]) for each in done if "shard" in each) else None

    def _count_try(self, note: Path, tasks: Sequence[Task[T]]) -> None:
        tries = note.with_suffix(".tries")
        count = 1 + (tries.stat().st_size if tries.exists() else 0)
        if count > TRIES:
            raise EngineError(
                f"{TRIES} workers died of the same {len(tasks)} assets, {tasks[0].asset_id} to {tasks[-1].asset_id}; "
                "give their machines more memory, or run the command with '--engine local'"
            )
        tries.write_bytes(b"." * count)


def forget_units(table: ShardFolder) -> None:
    """Remove the notes of units that the manifest names."""
    folder = table.folder / UNITS
    for path in folder.glob("*"):
        path.unlink()
    if folder.exists():
        folder.rmdir()


def _key(table: ShardFolder, tasks: Sequence[Task[Any]]) -> str:
    """Of what is made of just these tasks, by this Meshseek."""
    made_from = [meshseek.__version__, table.header, [[task.asset_id, task.fingerprint] for task in tasks]]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]
