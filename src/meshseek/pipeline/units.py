"""A stage's work in units: each may be done anywhere, becomes one shard, and is done once however often it is tried."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pyarrow as pa

from meshseek.errors import EngineError
from meshseek.files import disk_error, make_folder, write_whole
from meshseek.pipeline.stage import Outcome, Task, Work
from meshseek.sealed import sealed, unsealed
from meshseek.workspace.shards import UNITS, ShardFolder

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

TRIES = 3
"""So many workers may die of one unit before it is given up."""


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
    size: Callable[[Task[T]], int]
    """How large a task is; one of no size is not worth sending anywhere."""
    uses_gpu: bool = True
    """Whether a GPU makes it faster."""

    def divided(self, tasks: Sequence[Task[T]]) -> tuple[list[Task[T]], list[list[Task[T]]]]:
        """Tasks that are done here, and the units of the others."""
        small = [task for task in tasks if not self.size(task)]
        return small, [*in_units((task for task in tasks if self.size(task)), self.most, self.size)]


def in_units(tasks: Iterable[Task[T]], most: int, size: Callable[[Task[T]], int]) -> Iterator[list[Task[T]]]:
    """Cut tasks where they are large enough together."""
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


@contextmanager
def units_folder(table: ShardFolder) -> Iterator[Path]:
    """A new folder in a table's, for what is done of a run and is not yet in the manifest; gone at the end.

    What an earlier run left is removed: nobody knows whether it is of the same model and the same files.

    Raises:
        WorkspaceError: It cannot be made.
    """
    parent = table.folder / UNITS
    shutil.rmtree(parent, ignore_errors=True)
    folder = parent / secrets.token_hex(4)
    try:
        make_folder(folder)
    except OSError as error:
        raise disk_error(error, table.folder) from error
    try:
        yield folder
    finally:
        shutil.rmtree(parent, ignore_errors=True)


class UnitWorker(Generic[T]):
    """Does units in a process of its own, wherever that is.

    Args:
        work: Does their tasks.
        table: Whose shards they become, as it was when the run began. To put them into it is another's work.
        folder: Of the run, see :func:`units_folder`.
    """

    def __init__(self, work: Work[T], table: ShardFolder, folder: Path) -> None:
        self._work = work
        self._drafts = ShardFolder(folder, table.schema, table.header)
        self._folder = folder

    def do(self, number: int, tasks: Sequence[Task[T]]) -> list[Outcome]:
        """Do a unit, or take what another worker made of it before it died.

        Args:
            number: Of the unit, and then of its shard; no other unit of the run has it.
            tasks: Of the unit.

        Returns:
            Outcomes without their rows; the last one has the shard.

        Raises:
            WorkspaceError: The folder cannot be written.
            EngineError: Workers die of it.
        """
        note = self._folder / f"{number}.json"
        try:
            done = self._done(note)
            if done is None:
                tries = self._begun(note, tasks)
                try:
                    done = self._made(number, tasks)
                except Exception:  # it did not die
                    tries.unlink()
                    raise
                write_whole(note, sealed({"outcomes": done}))
        except OSError as error:
            raise disk_error(error, self._folder) from error
        return [Outcome(**outcome) for outcome in done]

    def _made(self, number: int, tasks: Sequence[Task[T]]) -> list[dict[str, Any]]:
        rows: list[Any] = []
        done: list[dict[str, Any]] = []
        for outcome in self._work(tasks):
            rows.extend(outcome.rows)
            left_out = list(outcome.left_out)
            done.append({"asset_id": outcome.asset_id, "skipped": outcome.skipped, "left_out": left_out})
        if rows:
            shard = self._drafts.write_shard(pa.Table.from_pylist(rows, schema=self._drafts.schema), number)
            done[-1]["shard"] = {**shard, "folder": str(self._folder)}
        return done

    def _done(self, note: Path) -> list[dict[str, Any]] | None:
        """What a note tells, if its shard is whole."""
        try:
            done: list[dict[str, Any]] = unsealed(note.read_bytes())["outcomes"]
        except (OSError, ValueError, KeyError):
            return None
        return done if all(self._drafts.is_whole(each["shard"]) for each in done if "shard" in each) else None

    def _begun(self, note: Path, tasks: Sequence[Task[T]]) -> Path:
        """The file that counts how often the unit was begun, and did not end."""
        tries = note.with_suffix(".tries")
        count = 1 + (tries.stat().st_size if tries.exists() else 0)
        if count > TRIES:
            raise EngineError(
                f"{TRIES} workers died of the same {len(tasks)} assets, {tasks[0].asset_id} to {tasks[-1].asset_id}; "
                "give their machines more memory, or run the command with '--engine local'"
            )
        tries.write_bytes(b"." * count)
        return tries
