"""Embed: captions and views become unit vectors of one space, kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.embedders import Embedder, PartlyEmbeddedError
from meshseek.errors import MeshseekError
from meshseek.model import Estimate, Language, ViewSet
from meshseek.pipeline.stage import Outcome, Summary, Task, in_batches, run_stage
from meshseek.pipeline.view_reading import read_views, sampled
from meshseek.reporting import Reporter
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.made_from import Captions, caption_fingerprint
from meshseek.workspace.tables import Source
from meshseek.workspace.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

CAPTION_BATCH = 256
VIEW_BATCH = 64
"""Pictures that go to the embedder at a time; it divides them further as its device needs."""

TITLES: dict[Source, str] = {
    "caption_english": "English captions",
    "caption_chinese": "Chinese captions",
    "appearance": "views",
}
SOURCE_OF: dict[Language, Source] = {"english": "caption_english", "chinese": "caption_chinese"}


def embed(
    embedder: Embedder,
    algorithm: str,
    workspace: Workspace,
    *,
    max_assets: int | None,
    reporter: Reporter,
    workers: int = 1,
) -> list[Summary]:
    """Embed the captions of each language that the algorithm keeps, then the views.

    Args:
        embedder: The model.
        algorithm: Its name in the workspace.
        workspace: Holds the captions and views, and gets the vectors.
        max_assets: Only the first so many.
        reporter: Shows the progress.
        workers: Processes that read pictures while the model works.

    Raises:
        WorkspaceError: Nothing was imported, or the workspace cannot be written.
        SpaceMismatchError: The vectors on disk are of another space.
        MeshseekError: A hosted model cannot go on; finished work is kept.
    """
    with workspace.lock(f"embed-{algorithm}"):
        workspace.remembered.keep("embed", {"languages": list(embedder.languages)}, algorithm)
        summaries = []
        for language in embedder.languages:
            source = SOURCE_OF[language]
            tasks = _caption_tasks(workspace, language, max_assets)
            table = workspace.vectors_table(algorithm, source, embedder.space)
            work = in_batches(CAPTION_BATCH, partial(_captions, embedder))
            summaries.append(run_stage(f"embed {TITLES[source]}", tasks, work, table, reporter))
        views = _view_tasks(workspace, max_assets)
        table = workspace.vectors_table(algorithm, "appearance", embedder.space)
        work_on_views = partial(_views, embedder, workers)
        summaries.append(run_stage(f"embed {TITLES['appearance']}", views, work_on_views, table, reporter))
        return summaries


def preview(
    embedder: Embedder,
    algorithm: str,
    workspace: Workspace,
    *,
    max_assets: int | None,
) -> Estimate | None:
    """What embedding the rest would cost; None where nothing is paid.

    Raises:
        WorkspaceError: Nothing was imported.
        SpaceMismatchError: The vectors on disk are of another space.
    """
    if embedder.estimate_texts([]) is None:
        return None

    def left(tasks: Iterable[Task[Any]], source: Source) -> Iterator[Any]:
        finished = workspace.vectors_table(algorithm, source, embedder.space).fingerprints()
        return (task.payload for task in tasks if finished.get(task.asset_id) != task.fingerprint and task.payload)

    estimates: list[Estimate | None] = []
    for language in embedder.languages:
        captions = left(_caption_tasks(workspace, language, max_assets), SOURCE_OF[language])
        estimates.append(embedder.estimate_texts([text for own in captions for text in own]))
    views = left(_view_tasks(workspace, max_assets), "appearance")
    estimates.append(embedder.estimate_views([len(sampled(own, embedder.views_together)) for own in views]))
    return reduce(add, (estimate for estimate in estimates if estimate is not None))


def _caption_tasks(workspace: Workspace, language: Language, max_assets: int | None) -> Iterator[Task[Captions]]:
    english = language == "english"
    assets = workspace.assets if english else partial(CurrentAssets, workspace)  # only Chinese ones are joined
    for asset in assets(max_assets, ["captions"]):
        captions = asset.captions_english if english else asset.captions_chinese
        yield Task(asset_id=asset.asset_id, fingerprint=caption_fingerprint(captions), payload=captions)


def _view_tasks(workspace: Workspace, max_assets: int | None) -> Iterator[Task[ViewSet | None]]:
    for asset in CurrentAssets(workspace, max_assets, ["views"]):
        views = asset.views
        yield Task(asset_id=asset.asset_id, fingerprint=views.fingerprint if views else "", payload=views)


def _captions(embedder: Embedder, tasks: Sequence[Task[Captions]]) -> Iterator[Outcome]:
    texts = [text for task in tasks for text in task.payload]
    vectors, reasons, stop = _partly(partial(embedder.embed_texts, texts, role="document"))
    start = 0
    for task in tasks:
        end = start + len(task.payload)
        refused = next((reasons[number] for number in range(start, end) if number in reasons), None)
        if not task.payload:
            yield Outcome(asset_id=task.asset_id, skipped="has no caption in this language")
        elif refused is not None:
            yield Outcome(asset_id=task.asset_id, skipped=refused)
        else:
            yield Outcome(asset_id=task.asset_id, rows=[_row(task, None, mean_direction(vectors[start:end]))])
        start = end
    if stop is not None:
        raise stop


def _views(embedder: Embedder, workers: int, tasks: Sequence[Task[ViewSet | None]]) -> Iterator[Outcome]:
    """Gather pictures over assets while workers read on, and embed them as soon as there are enough."""
    by_id = {task.asset_id: task for task in tasks}
    gathered: list[Outcome] = []
    pictures = 0
    for outcome in read_views(tasks, embedder.image_preparer(), embedder.views_together, workers):
        if outcome.skipped is not None:
            yield outcome
            continue
        gathered.append(outcome)
        pictures += len(outcome.rows)
        if pictures >= VIEW_BATCH:
            yield from _embedded(embedder, by_id, gathered)
            gathered, pictures = [], 0
    if gathered:
        yield from _embedded(embedder, by_id, gathered)


def _embedded(embedder: Embedder, tasks: Mapping[str, Task[Any]], read: Sequence[Outcome]) -> Iterator[Outcome]:
    """Each asset's rows: one for each view, or one for all of them."""
    together = embedder.views_together is not None
    sets = [[row["picture"] for row in outcome.rows] for outcome in read]
    if together:
        vectors, reasons, stop = _partly(partial(embedder.embed_together, sets))
    else:
        flat = [picture for own in sets for picture in own]
        vectors, reasons, stop = _partly(partial(embedder.embed_prepared, flat))
    start = 0
    for outcome in read:
        viewpoints = [None] if together else [row["viewpoint_id"] for row in outcome.rows]
        end = start + len(viewpoints)
        refused = next((reasons[number] for number in range(start, end) if number in reasons), None)
        task = tasks[outcome.asset_id]
        rows = [_row(task, viewpoint, vectors[start + n]) for n, viewpoint in enumerate(viewpoints)]
        yield Outcome(asset_id=outcome.asset_id, rows=() if refused else rows, skipped=refused)
        start = end
    if stop is not None:
        raise stop


def _partly(
    call: Callable[[], NDArray[np.float32]],
) -> tuple[NDArray[np.float32], Mapping[int, str], MeshseekError | None]:
    """The vectors, why some of them are missing, and what ended the work early."""
    try:
        return call(), {}, None
    except PartlyEmbeddedError as partly:
        return partly.vectors, partly.reasons, partly.stop


def mean_direction(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The unit vector of the mean of unit vectors, shape ``(n, dim)`` to ``(dim,)``; one vector is its own mean."""
    total = vectors.sum(axis=0)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length if length else vectors[0], dtype=np.float32)


def _row(task: Task[Any], viewpoint_id: int | None, vector: NDArray[np.float32]) -> dict[str, Any]:
    return {
        "asset_id": task.asset_id,
        "viewpoint_id": viewpoint_id,
        "fingerprint": task.fingerprint,
        "vector": vector.astype("<f2").tobytes(),
    }
