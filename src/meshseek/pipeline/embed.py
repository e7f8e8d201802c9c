"""Embed: captions and views become unit vectors of one space, kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial, reduce
from itertools import islice
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.embedders import EMBEDDERS, Embedder, Recipe, WeightedTexts
from meshseek.model import AssetTexts, CaptionBasis, Estimate, Language, ViewCount
from meshseek.pipeline.engines import Engine
from meshseek.pipeline.engines.local import Local
from meshseek.pipeline.partly import partly
from meshseek.pipeline.stage import Outcome, Summary, Task, Work, is_left, run_stage, set_aside_damaged
from meshseek.pipeline.units import Job
from meshseek.pipeline.view_vectors import vector_row, view_job, view_tasks
from meshseek.pipeline.workers import Workers
from meshseek.pipeline.world import embed_world, world_texts_left
from meshseek.reporting import Reporter
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.made_from import caption_fingerprint
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import SOURCE_OF, Source
from meshseek.workspace.view_rows import held_views
from meshseek.workspace.workspace import Part, Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

CAPTION_BATCH = 256
CAPTION_UNIT = 16 * CAPTION_BATCH
"""Assets whose captions another process embeds as one shard."""

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
        embedder: The model; it says how many views of each asset.
        algorithm: Its name in the workspace.
        workspace: Holds the captions and views, and gets the vectors.
        max_assets: Only the first so many.
        reporter: Shows the progress.
        workers: Processes that read pictures while the model works.

    Raises:
        WorkspaceError: Nothing was imported, or the workspace cannot be written.
        SpaceMismatchError: The vectors on disk are of another space.
        EmbedderError: More views are wanted than the model can make one vector of.
        MeshseekError: A hosted model cannot go on; finished work is kept.
    """
    with workspace.lock(f"embed-{algorithm}"):
        by_language = {
            language: workspace.vectors_table(algorithm, SOURCE_OF[language], embedder.space, embedder.caption_basis)
            for language in embedder.languages
        }
        of_views = workspace.vectors_table(algorithm, "appearance", embedder.space)
        # Only now that the vectors on disk are known to be of this space: else an update must still look at them.
        _remember(embedder, algorithm, workspace, reporter, is_trial=max_assets is not None)
        engine = _engine(embedder, workers, reporter)
        summaries = []
        for language, table in by_language.items():
            tasks = _caption_tasks(workspace, language, embedder.caption_basis, max_assets)
            work = engine.work(caption_job(embedder, language, table))
            summaries.append(run_stage(f"embed {TITLES[SOURCE_OF[language]]}", tasks, work, table, reporter))
        set_aside_damaged(of_views, reporter)
        views = view_tasks(embedder, workspace, max_assets, held_views(of_views))
        work_on_views = engine.work(view_job(embedder, workers, of_views))
        summaries.append(run_stage(f"embed {TITLES['appearance']}", views, work_on_views, of_views, reporter, {}))
        embed_world(embedder, algorithm, workspace, reporter)
        return summaries


def _engine(embedder: Embedder, workers: Workers | int, reporter: Reporter) -> Engine:
    """What has the model work: a hosted one keeps to its limits only where one process asks it."""
    engine = Workers.of(workers).engine
    if isinstance(engine, Local) or embedder.estimate_texts([]) is None:
        return engine
    reporter.say("embed: the model is hosted, and asked from this process whatever the engine")
    return Local(engine.options)


def _remember(embedder: Embedder, algorithm: str, workspace: Workspace, reporter: Reporter, *, is_trial: bool) -> None:
    """Keep the options for later commands; a trial's number of views is none for all assets, so it is not kept."""
    before = workspace.remembered.get("embed", algorithm)
    code = EMBEDDERS.digest(embedder.space.embedder) if embedder.space.embedder in EMBEDDERS.names else ""
    kept: dict[str, Any] = {"languages": list(embedder.languages), "code": code}
    if not is_trial:
        kept |= {"views": embedder.views, "chosen": embedder.options.views, "together": embedder.views_together}
        if embedder.views_together is None and _is_less(embedder.views, before.get("views")):
            reporter.say(
                f"embed views: of each asset, {embedder.views} views at most are published from now on, where it was "
                f"{before['views']}; all vectors stay, and '--views {before['views']}' brings them back"
            )
    else:
        kept |= {name: before[name] for name in ("views", "chosen", "together") if name in before}
        if embedder.options.views not in {None, before.get("views")}:
            reporter.say(
                f"embed views: --views {embedder.views} is for this trial; without --max-assets, it is remembered "
                "for later updates and publications"
            )
    workspace.remembered.keep("embed", kept, algorithm)


def _is_less(count: ViewCount, before: ViewCount | None) -> bool:
    return before is not None and count != "all" and (before == "all" or count < before)


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

    def table(source: Source) -> ShardFolder:
        return workspace.vectors_table(algorithm, source, embedder.space)

    estimates: list[Estimate | None] = []
    for language in embedder.languages:
        finished = {} if anew else table(SOURCE_OF[language]).fingerprints()
        tasks = _caption_tasks(workspace, language, embedder.caption_basis, max_assets)
        captions = (task.payload for task in tasks if task.payload and is_left(task, finished))
        texts: list[str] = []
        while batch := list(islice(captions, CAPTION_BATCH)):
            texts += distinct_texts(embedder.caption_texts(batch, language))
        estimates.append(embedder.estimate_texts(texts))
    views = view_tasks(embedder, workspace, max_assets, {} if anew else held_views(table("appearance")))
    work = [task.payload for task in views if task.payload and task.is_left]
    estimates.append(embedder.estimate_views([len(own.views.viewpoint_ids) for own in work]))
    estimates.append(embedder.estimate_texts(world_texts_left(embedder, algorithm, workspace)))
    return reduce(add, (estimate for estimate in estimates if estimate is not None))


def count_lacking_views(embedder: Embedder, algorithm: str, workspace: Workspace, max_assets: int | None) -> int:
    """How many assets have vectors of views, but not of all that are to be embedded as they are now.

    Raises:
        WorkspaceError: Nothing was imported.
        SpaceMismatchError: The vectors on disk are of another space.
    """
    held = held_views(workspace.vectors_table(algorithm, "appearance", embedder.space))
    tasks = view_tasks(embedder, workspace, max_assets, held) if held else ()  # a new workspace is not gone through
    return sum(bool(task.is_left) and task.asset_id in held for task in tasks)


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


def caption_job(embedder: Embedder, language: Language, table: ShardFolder) -> Job[AssetTexts | None]:
    """What has to be done with captions of a language."""
    return Job(
        here=partial(_embed_captions, embedder, language),
        elsewhere=partial(_captions_elsewhere, embedder.recipe, language),
        table=table,
        most=CAPTION_UNIT,
        size=_has_captions,
    )


def _has_captions(task: Task[AssetTexts | None]) -> int:
    return int(task.payload is not None)


def _captions_elsewhere(recipe: Recipe, language: Language, processors: int) -> Work[AssetTexts | None]:
    del processors  # torch takes what there are
    return partial(_embed_captions, recipe.make(), language)


def _embed_captions(
    embedder: Embedder, language: Language, tasks: Sequence[Task[AssetTexts | None]]
) -> Iterator[Outcome]:
    for task in tasks:
        if task.payload is None:
            yield Outcome(asset_id=task.asset_id, skipped="has no caption in this language")
    with_texts = [(task, task.payload) for task in tasks if task.payload is not None]
    for start in range(0, len(with_texts), CAPTION_BATCH):
        yield from _captions(embedder, language, with_texts[start : start + CAPTION_BATCH])


def _captions(
    embedder: Embedder, language: Language, batch: Sequence[tuple[Task[AssetTexts | None], AssetTexts]]
) -> Iterator[Outcome]:
    made_of = embedder.caption_texts([texts for _, texts in batch], language)
    distinct = distinct_texts(made_of)
    vectors, reasons, stop = partly(partial(embedder.embed_texts, distinct, role="document"))
    numbers = {text: number for number, text in enumerate(distinct)}
    for (task, _), weighted in zip(batch, made_of, strict=True):
        rows = [numbers[text] for text, _ in weighted]
        refused = next((reasons[number] for number in rows if number in reasons), None)
        if refused is not None:
            yield Outcome(asset_id=task.asset_id, skipped=refused)
        else:
            row = vector_row(task.asset_id, None, weighted_direction(vectors[rows], [weight for _, weight in weighted]))
            yield Outcome(asset_id=task.asset_id, rows=[{**row, "fingerprint": task.fingerprint}])
    if stop is not None:
        raise stop


def distinct_texts(made_of: Iterable[WeightedTexts]) -> list[str]:
    """Every text once, in the order of first appearance: assets of a batch share many."""
    return list(dict.fromkeys(text for weighted in made_of for text, _ in weighted))


def weighted_direction(vectors: NDArray[np.float32], weights: Sequence[float]) -> NDArray[np.float32]:
    """The unit vector of the weighted sum of unit vectors, shape ``(n, dim)`` to ``(dim,)``."""
    total = np.asarray(weights, dtype=np.float32) @ vectors
    length = float(np.linalg.norm(total))
    return np.asarray(total / length if length else vectors[0], dtype=np.float32)
