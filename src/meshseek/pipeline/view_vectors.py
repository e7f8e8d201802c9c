"""Views become vectors: those that are chosen of each asset and have none yet, or have one of another picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from meshseek.embedders import Embedder, Recipe
from meshseek.errors import MeshseekError
from meshseek.pipeline.partly import partly
from meshseek.pipeline.stage import Outcome, Task, Work
from meshseek.pipeline.units import Job, in_units
from meshseek.pipeline.view_reading import NO_VIEWS, Lots, ViewWork, view_reader
from meshseek.pipeline.workers import Bounds, Workers
from meshseek.store.ahead import read_ahead
from meshseek.viewpoints import evenly, views_fingerprint
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.made_from import HeldViews, is_current, joint_fingerprint, lacks_views
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.view_rows import ViewRows
from meshseek.workspace.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VIEW_BATCH = 64
"""Pictures that go to the embedder at a time; it divides them further as its device needs."""
BATCHES_AHEAD = 4
"""That a device has made, or is given, while rows of others are put together and written."""
VIEW_UNIT = 2048
"""Pictures that another process embeds as one shard. No batch is of two units, so who does them makes no difference."""


def view_tasks(
    embedder: Embedder, workspace: Workspace, max_assets: int | None, held: Mapping[str, HeldViews]
) -> Iterator[Task[ViewWork | None]]:
    """The views of each asset that are to be embedded; None where it has no views at all.

    Args:
        embedder: Says how many are chosen.
        workspace: Has the assets.
        max_assets: Only the first so many.
        held: What vectors there are.

    Raises:
        WorkspaceError: Nothing was imported.
        EmbedderError: More views are wanted than the model can make one vector of.
    """
    count, most = embedder.views, embedder.views_together
    for asset in CurrentAssets(workspace, max_assets, ["views"]):
        views = asset.views
        if views is None or not views.viewpoint_ids:
            yield Task(asset_id=asset.asset_id, fingerprint="", payload=None, is_left=True)
            continue
        before = held.get(asset.asset_id)
        before = before if before is not None and is_current(before, views) else None
        chosen = evenly(views.viewpoint_ids, count)
        if most is not None:
            is_there = before is not None and not lacks_views(before, views, count, most)
            made_from, left = joint_fingerprint(views, chosen), () if is_there else chosen
            before = None
        else:
            kept = before.viewpoints or () if before else ()
            left = tuple(number for number in chosen if number not in kept)
            made_from = views_fingerprint(views, sorted({*kept, *left}))
        work = ViewWork(replace(views, viewpoint_ids=left, stamps=b""), before)  # a million may wait: without stamps
        yield Task(asset_id=asset.asset_id, fingerprint=made_from, payload=work, is_left=bool(left))


def view_job(embedder: Embedder, workers: Workers | int, table: ShardFolder) -> Job[ViewWork | None]:
    """What has to be done with views."""
    here = partial(embed_views, embedder, workers, table)
    elsewhere = partial(_elsewhere, embedder.recipe, Workers.of(workers).bounds, table)
    return Job(here=here, elsewhere=elsewhere, table=table, most=VIEW_UNIT, size=_pictures)


def _elsewhere(recipe: Recipe, bounds: Bounds, table: ShardFolder, processors: int) -> Work[ViewWork | None]:
    """One unit after the other, with processes that stay: to start them takes as long as a GPU takes for a unit."""
    embedder = recipe.make()
    read = view_reader(embedder.image_preparer(), Workers.within(bounds, processors), stay=True)
    return partial(_embed_read, embedder, read, table)


def _pictures(task: Task[ViewWork | None]) -> int:
    return len(task.payload.views.viewpoint_ids) if task.payload else 0


def embed_views(
    embedder: Embedder, workers: Workers | int, table: ShardFolder, tasks: Sequence[Task[ViewWork | None]]
) -> Iterator[Outcome]:
    """Embed what is left of each asset's views, with processes that read them."""
    return _embed_read(embedder, view_reader(embedder.image_preparer(), workers), table, tasks)


def _embed_read(
    embedder: Embedder,
    read: Callable[[Lots], Iterable[Outcome]],
    table: ShardFolder,
    tasks: Sequence[Task[ViewWork | None]],
) -> Iterator[Outcome]:
    """Gather pictures over assets while workers read on, and embed them as soon as there are enough.

    A device is given the next ones while rows of those before are put together and written, by a thread of its own. On
    the processors nothing is won by that, and whoever interrupts the work would wait for a batch.

    What an asset has already is written again beside what is new: rows of one asset stand together. So that no shard
    is read over and over for it, assets of a unit come in the order of the shards that have them.
    """
    yield from (Outcome(asset_id=task.asset_id, skipped=NO_VIEWS) for task in tasks if not _pictures(task))
    with_views = [task for task in tasks if _pictures(task)]
    units = [sorted(unit, key=_shard_of_kept) for unit in in_units(with_views, VIEW_UNIT, _pictures)]
    ordered = [task for unit in units for task in unit]
    together = embedder.views_together is not None
    lots = Lots(ordered, whole=together)
    lots_left = {unit[-1].asset_id: lots.of(unit[-1]) for unit in units}
    assembly = _Assembly({task.asset_id: task for task in ordered}, lots, ViewRows(table))
    batches = _batches(read(lots), lots_left)
    made = map(partial(_embedded, embedder, together=together), batches)
    for outcomes, stop in read_ahead(made, BATCHES_AHEAD) if embedder.is_on_device else made:
        yield from assembly.add(outcomes)
        if stop is not None:
            raise stop


def _batches(lots: Iterable[Outcome], lots_left: dict[str, int]) -> Iterator[list[Outcome]]:
    """Lots that the model gets together, and those between them that could not be read.

    Args:
        lots: As they are read.
        lots_left: How many the last asset of each unit has; where they are complete, a batch ends.
    """
    gathered: list[Outcome] = []
    pictures = 0
    for lot in lots:
        if lot.asset_id in lots_left:
            lots_left[lot.asset_id] -= 1
        gathered.append(lot)
        pictures += len(lot.rows)
        if pictures >= VIEW_BATCH or lots_left.get(lot.asset_id) == 0:
            yield gathered
            gathered, pictures = [], 0
    yield gathered


def _shard_of_kept(task: Task[ViewWork | None]) -> int:
    return task.payload.kept.shard if task.payload and task.payload.kept else -1


def _embedded(
    embedder: Embedder, lots: Sequence[Outcome], *, together: bool
) -> tuple[list[Outcome], MeshseekError | None]:
    """Each lot's vectors by viewpoint, one for each view or one for all of them; and what ended the work early."""
    read = [lot for lot in lots if lot.skipped is None]
    outcomes = [lot for lot in lots if lot.skipped is not None]
    if not read:
        return outcomes, None
    sets = [[row["picture"] for row in outcome.rows] for outcome in read]
    if together:
        vectors, reasons, stop = partly(partial(embedder.embed_together, sets))
    else:
        flat = [picture for own in sets for picture in own]
        vectors, reasons, stop = partly(partial(embedder.embed_prepared, flat))
    start = 0
    for outcome in read:
        viewpoints = [None] if together else [row["viewpoint_id"] for row in outcome.rows]
        end = start + len(viewpoints)
        refused = next((reasons[number] for number in range(start, end) if number in reasons), None)
        rows = [vector_row(outcome.asset_id, own, vectors[start + n]) for n, own in enumerate(viewpoints)]
        outcomes.append(Outcome(asset_id=outcome.asset_id, rows=() if refused else rows, skipped=refused))
        start = end
    return outcomes, stop


class _Assembly:
    """Puts the lots of each asset together, and adds what it has already."""

    def __init__(self, tasks: Mapping[str, Task[ViewWork | None]], lots: Lots, rows: ViewRows) -> None:
        self._tasks = tasks
        self._lots = lots
        self._rows = rows
        self._begun: dict[str, list[Outcome]] = {}

    def add(self, lots: Iterable[Outcome]) -> Iterator[Outcome]:
        """Take lots; gives the assets that are complete."""
        for lot in lots:
            task = self._tasks[lot.asset_id]
            begun = self._begun.setdefault(lot.asset_id, [])
            begun.append(lot)
            if len(begun) == self._lots.of(task):
                yield self._whole(task, self._begun.pop(lot.asset_id))

    def _whole(self, task: Task[ViewWork | None], lots: Sequence[Outcome]) -> Outcome:
        skipped = next((lot.skipped for lot in lots if lot.skipped is not None), None)
        if skipped is not None:
            return Outcome(asset_id=task.asset_id, skipped=skipped)
        rows = [*self._kept(task), *(row for lot in lots for row in lot.rows)]
        rows.sort(key=lambda row: -1 if row["viewpoint_id"] is None else row["viewpoint_id"])
        return Outcome(asset_id=task.asset_id, rows=[{**row, "fingerprint": task.fingerprint} for row in rows])

    def _kept(self, task: Task[ViewWork | None]) -> Iterator[dict[str, Any]]:
        kept = task.payload.kept if task.payload else None
        if kept is not None:
            rows = self._rows.of(task.asset_id, kept.shard)
            yield from (row for row in rows if row["fingerprint"] == kept.fingerprint)


def vector_row(asset_id: str, viewpoint_id: int | None, vector: NDArray[np.float32]) -> dict[str, Any]:
    """A row of a vectors table, without its fingerprint."""
    return {"asset_id": asset_id, "viewpoint_id": viewpoint_id, "vector": vector.astype("<f2").tobytes()}
