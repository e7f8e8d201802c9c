"""Update: every library is imported, rendered, translated, embedded and published, as far as anything has changed."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from meshseek.datasets import Dataset
from meshseek.embedders import Embedder
from meshseek.errors import EmbedderError, HostedError, InputError, MeshseekError, SpaceMismatchError
from meshseek.model import Estimate
from meshseek.pipeline import embed as embedding
from meshseek.pipeline import translate as translating
from meshseek.pipeline.import_assets import LibraryOptions, import_assets
from meshseek.pipeline.measure import count_older
from meshseek.pipeline.publish import publish
from meshseek.pipeline.render import render
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.standing import is_embedded, is_other_code, standings
from meshseek.pipeline.workers import Workers
from meshseek.renderers import Renderer
from meshseek.reporting import Reporter
from meshseek.store.postgres import Server
from meshseek.store.shards import Shards
from meshseek.translators import Translator
from meshseek.workspace.libraries import LibrarySource
from meshseek.workspace.memory import give_back
from meshseek.workspace.workspace import Workspace

OTHER_VECTORS = "its model gives other vectors than it did"
MANY = 10_000
"""Assets whose vectors are made again only where somebody has agreed: with a large model that may take days."""


class Parts(Protocol):
    """Gives the parts that the stages were last run with in this workspace."""

    @property
    def workspace(self) -> Workspace:
        """What is updated."""

    @property
    def databases(self) -> Server | Shards:
        """Where it is published."""

    def dataset_of(self, library: LibrarySource) -> Dataset:
        """Open a library as it was imported."""

    def usual_renderer(self) -> Renderer:
        """With the options of the last rendering."""

    def usual_translator(self) -> Translator:
        """The last one."""

    def free_translator(self) -> Translator:
        """One that takes the library's own captions and costs nothing."""

    def usual_embedder(self, algorithm: str) -> Embedder:
        """Of the space that the algorithm's vectors are in."""

    def usual_index(self, algorithm: str) -> str:
        """The kind that was last published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOptions:
    """What is wanted of an update."""

    algorithms: Sequence[str]
    workers: Workers | int
    max_assets: int | None = None
    yes: bool = False
    """Paid and long work is done without asking, and any number of assets may leave."""
    verify: bool = False
    """Files count only where they have the content that was written, not only its size."""
    again: Container[str] = ()
    """Ids of assets that are imported again, whatever is there."""


@dataclass(slots=True, kw_only=True)
class Updated:
    """What an update did."""

    summaries: list[Summary] = field(default_factory=list)
    libraries: dict[str, tuple[int, int]] = field(default_factory=dict)
    """How many assets of each library could be searched before, and how many can be now."""
    notes: list[str] = field(default_factory=list)
    """What was left undone, with the cure."""
    failed: bool = False
    """Whether a library could not be read, or an algorithm not be used."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        counts = {name: {"before": before, "after": after} for name, (before, after) in self.libraries.items()}
        stages = [summary.as_json() for summary in self.summaries]
        return {"libraries": counts, "stages": stages, "notes": self.notes}


def update(parts: Parts, options: UpdateOptions, reporter: Reporter) -> Updated:
    """Bring a workspace and what is published of it to what its libraries are now.

    A library that cannot be read, or of which much is gone without anybody having agreed, keeps what it had; so does
    an algorithm whose model cannot be used; the others go on.

    Raises:
        WorkspaceError: Nothing was imported yet, another update runs, or the workspace cannot be written.
        MeshseekError: A stage cannot go on; what is done is kept.
    """
    workspace = parts.workspace
    with workspace.lock("update"):
        updated = Updated()
        before = _counts(workspace)
        if not workspace.libraries.are_known:
            updated.notes.append(
                "it is not known which libraries these assets are from, as an older Meshseek imported them; "
                "run 'meshseek import DATASET PATH' once for each"
            )
        for library in workspace.libraries.all():
            _import(parts, library, options, updated, reporter)
        give_back()
        stage: dict[str, Any] = {"max_assets": options.max_assets, "reporter": reporter}
        rendering: dict[str, Any] = {**stage, "workers": options.workers, "verify": options.verify}
        updated.summaries.append(render(parts.usual_renderer(), workspace, **rendering))
        updated.summaries.append(translating.translate(_translator(parts, options, updated), workspace, **stage))
        for algorithm in options.algorithms:
            give_back()
            try:
                _embed_and_publish(parts, algorithm, options, updated, reporter)
            except (EmbedderError, HostedError, SpaceMismatchError) as error:
                updated.notes.append(f"{algorithm}: {error}")
                updated.failed = True
        after = _counts(workspace)
        updated.libraries = {name: (before.get(name, 0), after.get(name, 0)) for name in {**before, **after}}
        return updated


def plan(parts: Parts, options: UpdateOptions) -> Mapping[str, Mapping[str, int]]:
    """What an update would do, by library and stage; what a stage makes new work for is not known yet.

    No model is loaded: of an algorithm that may give other vectors than it did, that is all that is said.

    Raises:
        WorkspaceError: A table is damaged.
    """
    planned: dict[str, dict[str, int]] = {}
    doubtful = [name for name in options.algorithms if options.max_assets is None and _may_differ(parts, name)]
    for name, standing in standings(parts.workspace, options.algorithms).items():
        stages = {*standing.waiting, *standing.outdated}
        planned[name] = {stage: standing.waiting.get(stage, 0) + standing.outdated.get(stage, 0) for stage in stages}
        for algorithm in doubtful:
            embedded = standing.assets - planned[name].get(f"embed {algorithm}", 0)
            planned[name][f"embed {algorithm} (its model may give other vectors)"] = embedded
    for library in parts.workspace.libraries.all():
        planned.setdefault(library.name, {}).update(_listed_changes(parts, library, options.max_assets))
    return planned


def _may_differ(parts: Parts, algorithm: str) -> bool:
    return bool(parts.workspace.embedded_sources(algorithm)) and is_other_code(parts.workspace, algorithm)


def _listed_changes(parts: Parts, library: LibrarySource, max_assets: int | None) -> dict[str, int]:
    """How many assets of a library are new or changed, and how many have left, by its files as they are now."""
    if library.dataset is None or max_assets is not None or library.max_assets is not None:
        return {}
    before = parts.workspace.libraries.listing(library)
    try:
        entries = parts.dataset_of(library).entries()
        listed = {library.prefix + entry.asset_id: entry.fingerprint for entry in entries}
    except InputError:
        return {"cannot be read": len(before)}
    forgotten = frozenset(library.forgotten)
    wanted = {asset_id: made for asset_id, made in listed.items() if asset_id not in forgotten}
    imported = {asset_id: made for asset_id, made in wanted.items() if before.get(asset_id) == made}
    changes = {
        "measure": count_older(parts.workspace.assets_table(), imported),
        "import": sum(before.get(asset_id) != made for asset_id, made in wanted.items()),
        "leave": len(before.keys() - wanted.keys()),
    }
    return {stage: count for stage, count in changes.items() if count}


def _import(parts: Parts, library: LibrarySource, options: UpdateOptions, updated: Updated, reporter: Reporter) -> None:
    if library.dataset is None:
        updated.notes.append(
            f"library '{library.name}' was imported by an older Meshseek, which did not record its folder; "
            f"run 'meshseek import DATASET PATH --library {library.name}' once"
        )
        return
    wanted = LibraryOptions(name=library.name, yes=options.yes, verify=options.verify, again=options.again)
    try:
        summary = import_assets(
            parts.dataset_of(library),
            parts.workspace,
            workers=options.workers,
            max_assets=options.max_assets or library.max_assets,
            reporter=reporter,
            library=wanted,
        )
    except InputError as error:
        updated.notes.append(str(error))
        updated.failed = True
    else:
        updated.summaries.append(replace(summary, stage=f"import {library.name}"))


def _translator(parts: Parts, options: UpdateOptions, updated: Updated) -> Translator:
    try:
        translator = parts.usual_translator()
        estimate = translating.preview(translator, parts.workspace, max_assets=options.max_assets)
    except MeshseekError as error:
        updated.notes.append(f"captions are not translated: {error}")
        return parts.free_translator()
    if options.yes or not _is_paid(estimate):
        return translator
    updated.notes.append(f"captions wait for paid translation ({estimate}); give --yes, or run 'meshseek translate'")
    return parts.free_translator()


def _embed_and_publish(
    parts: Parts, algorithm: str, options: UpdateOptions, updated: Updated, reporter: Reporter
) -> None:
    """What changed, of one algorithm; what waits for an agreement to pay is left out of the publication."""
    workspace = parts.workspace
    changed = any(summary.done for summary in updated.summaries)
    if changed or not is_embedded(workspace, algorithm):
        _embed(parts, algorithm, options, updated, reporter)
    if workspace.embedded_sources(algorithm):
        index, first = parts.usual_index(algorithm), options.max_assets
        published = publish(
            algorithm, workspace, parts.databases, index_kind=index, max_assets=first, reporter=reporter
        )
        updated.summaries.append(replace(published, stage=f"publish {algorithm}"))


def _embed(parts: Parts, algorithm: str, options: UpdateOptions, updated: Updated, reporter: Reporter) -> None:
    workspace = parts.workspace
    embedder = parts.usual_embedder(algorithm)
    others = workspace.other_vectors(algorithm, embedder.space)
    if others:
        count = len({asset_id for table in others for asset_id in table.fingerprints()})
        cure = _before_embedding_again(embedder, algorithm, workspace, options, count)
        if cure is not None:
            updated.notes.append(f"{algorithm}: {OTHER_VECTORS}; {cure}")
            return
        reporter.say(f"embed {algorithm}: {OTHER_VECTORS}; all {count:,} assets are embedded again")
        workspace.drop_other_vectors(algorithm, embedder.space, embedder.languages)
    estimate = embedding.preview(embedder, algorithm, workspace, max_assets=options.max_assets)
    if not options.yes and _is_paid(estimate):
        updated.notes.append(f"assets wait for paid embedding ({estimate}); give --yes")
    elif cure := _before_more_views(embedder, algorithm, workspace, options):
        updated.notes.append(f"{algorithm}: {cure}")
    else:
        first, workers = options.max_assets, options.workers
        done = embedding.embed(embedder, algorithm, workspace, max_assets=first, reporter=reporter, workers=workers)
        updated.summaries += [replace(summary, stage=f"{summary.stage} ({algorithm})") for summary in done]


def _before_embedding_again(
    embedder: Embedder, algorithm: str, workspace: Workspace, options: UpdateOptions, count: int
) -> str | None:
    """What somebody must do before so many assets are embedded again; None where the update may."""
    if options.max_assets is not None:
        return "nothing is embedded; run 'meshseek update' without --max-assets to embed everything again"
    if options.yes:
        return None
    estimate = embedding.preview(embedder, algorithm, workspace, max_assets=None, anew=True)
    if _is_paid(estimate):
        return f"nothing is embedded; give --yes to embed everything again ({estimate})"
    if count > MANY:
        return f"nothing is embedded; give --yes to embed all {count:,} assets again, which may take long"
    return None


def _before_more_views(embedder: Embedder, algorithm: str, workspace: Workspace, options: UpdateOptions) -> str | None:
    """Likewise before that many get vectors of views that nobody has chosen, as an older Meshseek took fewer."""
    if options.yes or workspace.view_count(algorithm) == embedder.views:
        return None
    count = embedding.count_lacking_views(embedder, algorithm, workspace, options.max_assets)
    if count <= MANY:
        return None
    return (
        f"nothing is embedded; give --yes to embed {embedder.views} views of each asset, which {count:,} assets lack "
        f"and which may take long, or run 'meshseek embed --algorithm {algorithm} --views N'"
    )


def _is_paid(estimate: Estimate | None) -> bool:
    return estimate is not None and estimate.items > 0


def _counts(workspace: Workspace) -> dict[str, int]:
    """Assets of each library that are imported as they are now."""
    imported = workspace.assets_table().fingerprints()
    return {
        library.name: sum(imported.get(asset_id) == made for asset_id, made in listing.items())
        for library in workspace.libraries.all()
        for listing in [workspace.libraries.listing_before(library)]
    }
