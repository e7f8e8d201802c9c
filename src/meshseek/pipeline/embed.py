"""Embed: captions and views become unit vectors of one space, kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.embedders import Embedder
from meshseek.errors import ImageError, NotFoundError, UnreadableAssetError
from meshseek.images import read_image
from meshseek.model import Asset, Language, ViewSet
from meshseek.pipeline.progress import Reporter
from meshseek.pipeline.stage import Outcome, Summary, Task, attempt, in_batches, run_stage
from meshseek.store.view_files import view_file
from meshseek.store.workspace import Source, Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

CAPTION_BATCH = 256
VIEW_BATCH = 8
"""Assets, not views: a batch of eight assets holds about 64 pictures."""

TITLES: dict[Source, str] = {
    "caption_english": "English captions",
    "caption_chinese": "Chinese captions",
    "appearance": "views",
}
Captions = tuple[str, ...]


def embed(
    embedder: Embedder, algorithm: str, workspace: Workspace, *, max_assets: int | None, reporter: Reporter
) -> list[Summary]:
    """Embed the captions of each language that the algorithm keeps, then the views.

    Raises:
        WorkspaceError: Nothing was imported, or the workspace cannot be written.
        SpaceMismatchError: The vectors on disk are of another space.
    """

    def stage(source: Source, tasks: Iterable[Task[Any]], size: int, function: Callable[..., Any]) -> Summary:
        table = workspace.vectors_table(algorithm, source, embedder.space)
        work = in_batches(size, lambda batch: function(embedder, batch))
        return run_stage(f"embed {TITLES[source]}", tasks, work, table, reporter)

    with workspace.lock(f"embed-{algorithm}"):
        assets = list(workspace.assets(max_assets))
        chinese = workspace.chinese_captions()
        captions = {language: _caption_tasks(assets, language, chinese) for language in embedder.languages}
        summaries = [
            stage("caption_english" if language == "english" else "caption_chinese", tasks, CAPTION_BATCH, _captions)
            for language, tasks in captions.items()
        ]
        summaries.append(stage("appearance", _view_tasks(assets, workspace.rendered_views()), VIEW_BATCH, _views))
        return summaries


def _caption_tasks(
    assets: Sequence[Asset], language: Language, chinese: Mapping[str, Captions]
) -> Iterator[Task[Captions]]:
    for asset in assets:
        captions = asset.captions_english if language == "english" else chinese.get(asset.asset_id, ())
        yield Task(asset_id=asset.asset_id, fingerprint=caption_fingerprint(captions), payload=captions)


def caption_fingerprint(captions: Captions) -> str:
    """What a caption vector is made from, in short."""
    return hashlib.sha256(repr(captions).encode()).hexdigest()[:16]


def _view_tasks(assets: Sequence[Asset], rendered: Mapping[str, ViewSet]) -> Iterator[Task[ViewSet | None]]:
    for asset in assets:
        views = asset.views or rendered.get(asset.asset_id)
        yield Task(asset_id=asset.asset_id, fingerprint=views.fingerprint if views else "", payload=views)


def _captions(embedder: Embedder, tasks: Sequence[Task[Captions]]) -> Iterator[Outcome]:
    texts = [text for task in tasks for text in task.payload]
    vectors = embedder.embed_texts(texts, role="document")
    start = 0
    for task in tasks:
        own = vectors[start : start + len(task.payload)]
        start += len(task.payload)
        if len(own):
            yield Outcome(asset_id=task.asset_id, rows=[_row(task, None, mean_direction(own))])
        else:
            yield Outcome(asset_id=task.asset_id, skipped="has no caption in this language")


def _views(embedder: Embedder, tasks: Sequence[Task[ViewSet | None]]) -> Iterator[Outcome]:
    pictures: dict[str, list[Any]] = {}

    def read(task: Task[ViewSet | None]) -> list[dict[str, Any]]:
        if task.payload is None or not task.payload.viewpoint_ids:
            raise UnreadableAssetError("has no views; run 'meshseek render'")
        try:
            ids = task.payload.viewpoint_ids
            pictures[task.asset_id] = [read_image(view_file(task.payload.folder, number)) for number in ids]
        except (ImageError, NotFoundError) as error:
            raise UnreadableAssetError(str(error)) from error
        return []

    outcomes = [attempt(task.asset_id, lambda task=task: read(task)) for task in tasks]  # type: ignore[misc]
    vectors = embedder.embed_images([picture for own in pictures.values() for picture in own])
    start = 0
    for task, outcome in zip(tasks, outcomes, strict=True):
        if outcome.skipped is not None or task.payload is None:
            yield outcome
            continue
        own = vectors[start : start + len(task.payload.viewpoint_ids)]
        start += len(own)
        rows = [_row(task, number, vector) for number, vector in zip(task.payload.viewpoint_ids, own, strict=True)]
        yield Outcome(asset_id=task.asset_id, rows=rows)


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
        "vector": vector.astype(np.float16),
    }
