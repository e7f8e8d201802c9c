"""Embed: captions and views become unit vectors of one space, kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial, reduce
from itertools import islice
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.embedders import EMBEDDERS, Embedder, WeightedTexts
from meshseek.model import AssetTexts, CaptionBasis, Estimate, Language, ViewSet
from meshseek.pipeline.partly import partly
from meshseek.pipeline.stage import Outcome, Summary, Task, in_batches, run_stage
from meshseek.pipeline.view_reading import read_views, sampled
from meshseek.pipeline.workers import Workers
from meshseek.pipeline.world import embed_world, world_texts_left
from meshseek.reporting import Reporter
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.made_from import caption_fingerprint
from meshseek.workspace.tables import SOURCE_OF, Source
from meshseek.workspace.workspace import Part, Workspace

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


def embed(
    embedder: Embedder,
    algorithm: str,
    workspace: Workspace,
    *,
    max_assets: int | None,
    reporter: Reporter,
    workers: Workers | int = 1,
) -> list[Summary]:
    """Embed the captions of each language that the algorithm keeps, then the views and the algorithm's world.

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
        by_language = {
            language: workspace.vectors_table(algorithm, SOURCE_OF[language], embedder.space, embedder.caption_basis)
            for language in embedder.languages
        }
        of_views = workspace.vectors_table(algorithm, "appearance", embedder.space)
        # Only now that the vectors on disk are known to be of this space: else an update must still look at them.
        code = EMBEDDERS.digest(embedder.space.embedder) if embedder.space.embedder in EMBEDDERS.names else ""
        workspace.remembered.keep("embed", {"languages": list(embedder.languages), "code": code}, algorithm)
        summaries = []
        for language, table in by_language.items():
            tasks = _caption_tasks(workspace, language, embedder.caption_basis, max_assets)
            work = in_batches(CAPTION_BATCH, partial(_captions, embedder, language))
            summaries.append(run_stage(f"embed {TITLES[SOURCE_OF[language]]}", tasks, work, table, reporter))
        views = _view_tasks(workspace, max_assets)
        work_on_views = partial(_views, embedder, workers)
        summaries.append(run_stage(f"embed {TITLES['appearance']}", views, work_on_views, of_views, reporter))
        embed_world(embedder, algorithm, workspace, reporter)
        return summaries


def preview(
    embedder: Embedder,
    algorithm: str,
    workspace: Workspace,
    *,
    max_assets: int | None,
    anew: bool = False,
) -> Estimate | None:
    """What embedding the rest would cost, or with ``anew`` everything; None where nothing is paid.

    Raises:
        WorkspaceError: Nothing was imported.
        SpaceMismatchError: The vectors on disk are of another space.
    """
    if embedder.estimate_texts([]) is None:
        return None

    def left(tasks: Iterable[Task[Any]], source: Source) -> Iterator[Any]:
        finished = {} if anew else workspace.vectors_table(algorithm, source, embedder.space).fingerprints()
        return (task.payload for task in tasks if finished.get(task.asset_id) != task.fingerprint and task.payload)

    estimates: list[Estimate | None] = []
    for language in embedder.languages:
        captions = left(_caption_tasks(workspace, language, embedder.caption_basis, max_assets), SOURCE_OF[language])
        texts: list[str] = []
        while batch := list(islice(captions, CAPTION_BATCH)):
            texts += distinct_texts(embedder.caption_texts(batch, language))
        estimates.append(embedder.estimate_texts(texts))
    views = left(_view_tasks(workspace, max_assets), "appearance")
    estimates.append(embedder.estimate_views([len(sampled(own, embedder.views_together)) for own in views]))
    estimates.append(embedder.estimate_texts(world_texts_left(embedder, algorithm, workspace)))
    return reduce(add, (estimate for estimate in estimates if estimate is not None))


def _caption_tasks(
    workspace: Workspace, language: Language, basis: CaptionBasis, max_assets: int | None
) -> Iterator[Task[AssetTexts | None]]:
    """The texts of each asset; None where it has no caption of the language."""
    english = language == "english" and basis == "own_language"
    assets = workspace.assets if english else partial(CurrentAssets, workspace)  # only Chinese captions are joined
    parts: list[Part] = ["captions"] if basis == "own_language" else ["captions", "attributes"]
    for asset in assets(max_assets, parts):
        texts = AssetTexts.of(asset)
        made_from = caption_fingerprint(texts, language, basis)
        payload = texts if texts.captions(language) else None
        yield Task(asset_id=asset.asset_id, fingerprint=made_from, payload=payload)


def _view_tasks(workspace: Workspace, max_assets: int | None) -> Iterator[Task[ViewSet | None]]:
    for asset in CurrentAssets(workspace, max_assets, ["views"]):
        views = asset.views
        yield Task(asset_id=asset.asset_id, fingerprint=views.fingerprint if views else "", payload=views)


def _captions(embedder: Embedder, language: Language, tasks: Sequence[Task[AssetTexts | None]]) -> Iterator[Outcome]:
    with_texts = [(task, task.payload) for task in tasks if task.payload is not None]
    made_of = embedder.caption_texts([texts for _, texts in with_texts], language)
    distinct = distinct_texts(made_of)
    vectors, reasons, stop = partly(partial(embedder.embed_texts, distinct, role="document"))
    numbers = {text: number for number, text in enumerate(distinct)}
    for task in tasks:
        if task.payload is None:
            yield Outcome(asset_id=task.asset_id, skipped="has no caption in this language")
    for (task, _), weighted in zip(with_texts, made_of, strict=True):
        rows = [numbers[text] for text, _ in weighted]
        refused = next((reasons[number] for number in rows if number in reasons), None)
        if refused is not None:
            yield Outcome(asset_id=task.asset_id, skipped=refused)
        else:
            direction = weighted_direction(vectors[rows], [weight for _, weight in weighted])
            yield Outcome(asset_id=task.asset_id, rows=[_row(task, None, direction)])
    if stop is not None:
        raise stop


def distinct_texts(made_of: Iterable[WeightedTexts]) -> list[str]:
    """Every text once, in the order of first appearance: assets of a batch share many."""
    return list(dict.fromkeys(text for weighted in made_of for text, _ in weighted))


def _views(embedder: Embedder, workers: Workers | int, tasks: Sequence[Task[ViewSet | None]]) -> Iterator[Outcome]:
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
        vectors, reasons, stop = partly(partial(embedder.embed_together, sets))
    else:
        flat = [picture for own in sets for picture in own]
        vectors, reasons, stop = partly(partial(embedder.embed_prepared, flat))
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


def weighted_direction(vectors: NDArray[np.float32], weights: Sequence[float]) -> NDArray[np.float32]:
    """The unit vector of the weighted sum of unit vectors, shape ``(n, dim)`` to ``(dim,)``."""
    total = np.asarray(weights, dtype=np.float32) @ vectors
    length = float(np.linalg.norm(total))
    return np.asarray(total / length if length else vectors[0], dtype=np.float32)


def _row(task: Task[Any], viewpoint_id: int | None, vector: NDArray[np.float32]) -> dict[str, Any]:
    return {
        "asset_id": task.asset_id,
        "viewpoint_id": viewpoint_id,
        "fingerprint": task.fingerprint,
        "vector": vector.astype("<f2").tobytes(),
    }
