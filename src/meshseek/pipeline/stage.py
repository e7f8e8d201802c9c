"""What every stage does: skip what is done, work in batches, write shards, count, and never lose a reason."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

from meshseek.errors import UnreadableAssetError
from meshseek.files import disk_error
from meshseek.reporting import Reporter
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.skipped import LEFT_OUT, SKIPPED, lines_of_others, skipped_fingerprints, skipped_line

T = TypeVar("T")

SHARD_ROWS = 16_384
SHARD_SECONDS = 10.0
"""A shard is written when it has so many rows or after so long, so that an interruption costs little of either."""
SHARD_SHARE = 0.02
"""In a long run a shard may take so much of the time that has passed, so that shards do not become too many."""
OF_ONE_ASSET = {errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
"""Faults of one asset's files, not of the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[T]):
    """One asset's work in a stage."""

    asset_id: str
    fingerprint: str
    """What the work is made from; equal to the finished row's when there is nothing to do."""
    payload: T
    is_left: bool | None = None
    """Whether there is work to do, where the fingerprint alone does not say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one task: rows to keep, or the reason why there are none, or why they are not all."""

    asset_id: str
    rows: Sequence[Mapping[str, Any]] = ()
    skipped: str | None = None
    left_out: Sequence[str] = ()
    """What of the asset's own values is not in the rows, in words."""
    shard: Mapping[str, Any] | None = None
    """What the manifest is to say of a shard that was written elsewhere, with rows of this outcome and of others."""


Work = Callable[[Sequence[Task[T]]], Iterable[Outcome]]


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a stage did."""

    stage: str
    done: int = 0
    skipped: int = 0
    already_there: int = 0
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = f"{self.stage}: {self.done} done, {self.skipped} skipped, {self.already_there} already there"
        return f"{counts}, {self.seconds:.1f} s" + "".join(f", {key} {value}" for key, value in self.details.items())

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return asdict(self)


def is_left(task: Task[Any], finished: Mapping[str, str]) -> bool:
    """Whether a task is still to be done, given what each finished asset was made from."""
    return finished.get(task.asset_id) != task.fingerprint if task.is_left is None else task.is_left


def set_aside_damaged(table: ShardFolder, reporter: Reporter) -> None:
    """Tell of damaged shards, whose rows are not finished any longer.

    Raises:
        WorkspaceError: The table cannot be read or written.
    """
    for told in table.drop_damaged():
        reporter.say(told)


def begin_stage(table: ShardFolder, reporter: Reporter) -> Mapping[str, str]:
    """What each finished asset was made from, once damaged shards are told of and set aside.

    Raises:
        WorkspaceError: The table cannot be read or written.
    """
    set_aside_damaged(table, reporter)
    return table.fingerprints()


def run_stage(
    name: str,
    tasks: Iterable[Task[T]],
    work: Work[T],
    table: ShardFolder,
    reporter: Reporter,
    finished: Mapping[str, str] | None = None,
) -> Summary:
    """Do the tasks that the table does not hold yet.

    Args:
        name: Shown to the user.
        tasks: All tasks, done or not.
        work: Turns the tasks that are left into outcomes, lazily and in any order.
        table: Holds the finished rows; what cannot be done is listed in its ``skipped.jsonl``.
        reporter: Shows the progress.
        finished: Given where a stage believes only some of what :func:`begin_stage` gave.

    Raises:
        WorkspaceError: The table cannot be read or written, or the disk is full.
    """
    started = time.monotonic()
    summary = Summary(stage=name)
    if finished is None:
        finished = begin_stage(table, reporter)
    left, earlier = _left(tasks, finished, table, summary)
    try:
        table.folder.mkdir(parents=True, exist_ok=True)
        listing = (table.folder / SKIPPED).open("w", encoding="utf-8")
        fingerprints = {task.asset_id: task.fingerprint for task in left}
        with reporter.bar(name, len(left)) as advance, listing as skipped:
            skipped.write(earlier)
            buffer = _Buffer(table)
            left_out = _LeftOut(table, fingerprints)
            try:
                for outcome in work(left) if left else ():
                    buffer.add(outcome)
                    left_out.add(outcome)
                    if outcome.skipped is None:
                        summary.done += 1
                    else:
                        summary.skipped += 1
                        skipped.write(skipped_line(outcome.asset_id, fingerprints[outcome.asset_id], outcome.skipped))
                    advance(1)
            finally:
                buffer.flush()
        left_out.tell(summary, reporter)
    except OSError as error:
        raise disk_error(error, table.folder) from error
    if summary.skipped:
        reporter.say(f"{name}: {summary.skipped} skipped, see {table.folder / SKIPPED}")
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def _left(
    tasks: Iterable[Task[T]], finished: Mapping[str, str], table: ShardFolder, summary: Summary
) -> tuple[list[Task[T]], str]:
    """The tasks that are left, and the lines of what earlier runs could not do with assets that have no task now."""
    told = skipped_fingerprints(table.folder).keys()
    left: list[Task[T]] = []
    seen: set[str] = set()  # of those that lines are about: a million ids are 100 MB
    for task in tasks:
        if task.asset_id in told:
            seen.add(task.asset_id)
        if is_left(task, finished):
            left.append(task)
        else:
            summary.already_there += 1
    return left, lines_of_others(table.folder, seen)


class _LeftOut:
    """What of which asset is not in its rows."""

    def __init__(self, table: ShardFolder, fingerprints: Mapping[str, str]) -> None:
        self._folder = table.folder
        self._fingerprints = fingerprints
        self._by_asset: dict[str, Sequence[str]] = {}

    def add(self, outcome: Outcome) -> None:
        if outcome.left_out:
            self._by_asset[outcome.asset_id] = outcome.left_out

    def tell(self, summary: Summary, reporter: Reporter) -> None:
        """Count it, and list it beside what earlier runs left out of other assets."""
        path = self._folder / LEFT_OUT
        kept = lines_of_others(self._folder, self._fingerprints, LEFT_OUT)
        told = [
            skipped_line(name, self._fingerprints[name], what) for name, own in self._by_asset.items() for what in own
        ]
        if told or path.exists():
            path.write_text(kept + "".join(told), "utf-8")
        if told:
            summary.details["values left out"] = len(told)
            number = len(self._by_asset)
            reporter.say(f"{summary.stage}: of {number:,} assets some values are left out as too long, see {path}")


class _Buffer:
    """Rows on their way into a shard."""

    def __init__(self, table: ShardFolder) -> None:
        self.table = table
        self.rows: list[dict[str, Any]] = []
        self.began = self.since = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        if outcome.shard is not None:
            self.table.adopt(outcome.shard)
        self.rows.extend(dict(row) for row in outcome.rows)
        now = time.monotonic()
        patience = max(SHARD_SECONDS, SHARD_SHARE * (now - self.began))
        if len(self.rows) >= SHARD_ROWS or now - self.since >= patience:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            self.table.append(self.rows)
        self.rows = []
        self.since = time.monotonic()


def attempt(asset_id: str, function: Callable[[], Iterable[Mapping[str, Any]]]) -> Outcome:
    """Do one asset's work; an asset that cannot be read becomes a skipped outcome.

    Raises:
        OSError: The disk is full: that is no fault of the asset.
    """
    try:
        return Outcome(asset_id=asset_id, rows=list(function()))
    except UnreadableAssetError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise cause from None
            cause = cause.__cause__
        return Outcome(asset_id=asset_id, skipped=str(error))
    except OSError as error:
        if error.errno not in OF_ONE_ASSET:
            raise
        return Outcome(asset_id=asset_id, skipped=f"{error.strerror}: {error.filename}")
