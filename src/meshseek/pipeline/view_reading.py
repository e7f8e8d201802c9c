"""Reads views in processes of their own, ahead of the model, so that it never waits for a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshseek.errors import ImageError, NotFoundError, UnreadableAssetError
from meshseek.model import ViewSet
from meshseek.pipeline.stage import Outcome, Task, attempt
from meshseek.pipeline.workers import Workers, in_processes
from meshseek.workspace.view_files import read_view

if TYPE_CHECKING:
    from PIL.Image import Image

FEW = 16
"""So many assets are read in this process: to start others takes longer."""
AHEAD = 4
"""Assets that wait, read, for each process; eight pictures of one take about 4 MB."""


def read_views(
    tasks: Sequence[Task[ViewSet | None]], prepare: Callable[[Image], Any], together: int | None, workers: Workers | int
) -> Iterable[Outcome]:
    """Read and prepare each asset's views, in the order of the tasks.

    Args:
        tasks: Assets with their views.
        prepare: Done to each picture; picklable.
        together: Take only so many views of each asset, uniformly.
        workers: Processes.

    Returns:
        Outcomes whose rows have ``viewpoint_id`` and ``picture``; an asset without readable views is skipped.
    """
    reader = _Reader(prepare, together)
    if Workers.of(workers).count <= 1 or len(tasks) < FEW:
        return map(reader, tasks)
    return in_processes(workers, reader, ahead=AHEAD)(tasks)


def sampled(views: ViewSet, count: int | None) -> tuple[int, ...]:
    """The viewpoints to take: all, or ``count`` at equal distances."""
    ids = views.viewpoint_ids
    if count is None or len(ids) <= count:
        return ids
    return tuple(ids[number * len(ids) // count] for number in range(count))


@dataclass(frozen=True, slots=True)
class _Reader:
    prepare: Callable[[Image], Any]
    together: int | None

    def __call__(self, task: Task[ViewSet | None]) -> Outcome:
        return attempt(task.asset_id, lambda: self._rows(task.payload))

    def _rows(self, views: ViewSet | None) -> Iterable[dict[str, Any]]:
        if views is None or not views.viewpoint_ids:
            raise UnreadableAssetError("has no views; run 'meshseek render'")
        try:
            return [
                {"viewpoint_id": number, "picture": self.prepare(read_view(views.folder, number, views.root))}
                for number in sampled(views, self.together)
            ]
        except (ImageError, NotFoundError) as error:
            raise UnreadableAssetError(str(error)) from error
