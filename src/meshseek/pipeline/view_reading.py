"""Reads views in processes of their own, ahead of the model, so that it never waits for a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from meshseek.errors import ImageError, NotFoundError, UnreadableAssetError
from meshseek.model import ViewSet
from meshseek.pipeline.stage import Outcome, Task, attempt
from meshseek.pipeline.workers import Workers, in_processes
from meshseek.workspace.made_from import HeldViews
from meshseek.workspace.view_files import read_views as pictures_of

if TYPE_CHECKING:
    from PIL.Image import Image

NO_VIEWS = "has no views; run 'meshseek render'"
LOT = 8
"""Pictures of an asset that are read at a time, however many it has."""
FEW = 16
"""So many lots are read in this process: to start others takes longer."""
AHEAD = 4
"""Lots that wait, read, for each process; the pictures of one take about 4 MB."""
LEAST_AHEAD = 24
"""Of all processes together: some batches of the model, or it would wait for the last pictures of each."""


class ViewWork(NamedTuple):
    """What is to be done with an asset's views."""

    views: ViewSet
    """Those to be embedded."""
    kept: HeldViews | None = None
    """The vectors beside which theirs are put."""


class Lots:
    """The views of assets, some at a time; those of one asset follow each other.

    Args:
        tasks: Assets with the views to read, each at least one.
        whole: Whether an asset's views are read all at once.
    """

    def __init__(self, tasks: Sequence[Task[ViewWork | None]], *, whole: bool) -> None:
        self._tasks = tasks
        self._whole = whole

    def of(self, task: Task[ViewWork | None]) -> int:
        """How many lots an asset's views are."""
        return 1 if self._whole else -(-len(_views(task).viewpoint_ids) // LOT)

    def __len__(self) -> int:
        return sum(map(self.of, self._tasks))

    def __iter__(self) -> Iterator[Task[ViewSet]]:
        for task in self._tasks:
            views = _views(task)
            if self.of(task) == 1:
                yield Task(asset_id=task.asset_id, fingerprint=task.fingerprint, payload=views)
                continue
            for start in range(0, len(views.viewpoint_ids), LOT):
                part = replace(views, viewpoint_ids=views.viewpoint_ids[start : start + LOT])
                yield Task(asset_id=task.asset_id, fingerprint=task.fingerprint, payload=part)


def _views(task: Task[ViewWork | None]) -> ViewSet:
    assert task.payload is not None
    return task.payload.views


def view_reader(
    prepare: Callable[[Image], Any], workers: Workers | int, *, stay: bool = False
) -> Callable[[Lots], Iterable[Outcome]]:
    """What reads and prepares views, in the order of the lots.

    Args:
        prepare: Done to each picture; picklable.
        workers: Processes.
        stay: Whether they stay for more lots.

    Returns:
        A function that makes of each lot an outcome whose rows have ``viewpoint_id`` and ``picture``; one that cannot
        be read is skipped.
    """
    reader, count = _Reader(prepare), Workers.of(workers).count
    ahead = max(AHEAD, -(-LEAST_AHEAD // max(1, count)))
    in_others = in_processes(workers, reader, ahead=ahead, stay=stay)
    return lambda lots: map(reader, lots) if count <= 1 or (len(lots) < FEW and not stay) else in_others(lots)


@dataclass(frozen=True, slots=True)
class _Reader:
    prepare: Callable[[Image], Any]

    def __call__(self, task: Task[ViewSet]) -> Outcome:
        return attempt(task.asset_id, lambda: self._rows(task.payload))

    def _rows(self, views: ViewSet) -> Iterable[dict[str, Any]]:
        try:
            pictures = map(self.prepare, pictures_of(views.folder, views.viewpoint_ids, views.root))
            pairs = zip(views.viewpoint_ids, pictures, strict=True)
            return [{"viewpoint_id": number, "picture": picture} for number, picture in pairs]
        except (ImageError, NotFoundError) as error:
            raise UnreadableAssetError(str(error)) from error
