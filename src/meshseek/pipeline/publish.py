"""Publish: assets and vectors from disk become the live version of an algorithm's database."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from meshseek.model import Asset
from meshseek.pipeline.bounds import long_id, within_bounds
from meshseek.pipeline.calibrate import calibrate
from meshseek.pipeline.shown_vectors import ShownVectors, Sources, wanted_captions
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.vector_files import CentroidSpool, VectorFiles
from meshseek.reporting import Reporter
from meshseek.store.indexes import DEFAULT_INDEX
from meshseek.store.postgres import Server
from meshseek.store.schema import CURRENT
from meshseek.store.write.leftovers import remove_leftovers
from meshseek.store.write.loading import Loader
from meshseek.store.write.publisher import Publisher, published_content, published_digests, publishing
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.made_from import ShownViews
from meshseek.workspace.tables import SOURCES
from meshseek.workspace.workspace import Workspace
from meshseek.workspace.world import World, read_world

DIGEST_LENGTH = 16
UPDATED_SHARE = 0.1
"""Up to so large a part of the live version is changed in place. A graph that is built anew is better than one that had
much added and taken out, and building is faster than adding one by one."""
DERIVED = 4
"""Of what is made from assets when they are published (labels, words): another number, and all is published anew."""
CURES = {"render": "render", "translate": "translate", "embed": "embed --algorithm {algorithm}"}
OUTDATED = (
    "publish: {count:,} assets have changed since '{stage}' and are published without its results; "
    "run 'meshseek {cure}' and publish again, or 'meshseek update'"
)


def publish(
    algorithm: str,
    workspace: Workspace,
    server: Server,
    *,
    index_kind: str = DEFAULT_INDEX,
    max_assets: int | None,
    reporter: Reporter,
) -> Summary:
    """Publish an algorithm's vectors, unless just these are live already.

    Raises:
        WorkspaceError: There are no vectors, or they are damaged.
        SpaceMismatchError: Captions and views were embedded in different spaces.
        DatabaseError: The database cannot be reached or refuses.
    """
    started = time.monotonic()
    summary = Summary(stage="publish")
    with workspace.lock(f"publish-{algorithm}"):
        vectors = VectorFiles.open(workspace, algorithm)
        # First the digest, then the data: what another stage adds in between is published again, not forgotten.
        content = _content(algorithm, workspace, vectors, index_kind, max_assets)
        live, assets = published_content(server, algorithm)
        if live == content:
            remove_leftovers(server, algorithm)
            summary.already_there = assets
        else:
            library = LibraryState.read(workspace, vectors, max_assets)
            with publishing(server, algorithm, vectors.space, reporter) as publisher:
                bar = reporter.bar(f"publish {algorithm}", sum(map(vectors.rows, SOURCES)))
                load = _Load(library, vectors, read_world(workspace, algorithm, vectors.space), bar)
                live_digests = publisher.live_digests(index_kind, load.world_fingerprint, chinese=library.has_chinese)
                changes = library.changes(live_digests, publisher.changed_in_place() if live_digests else 0)
                if changes is None:
                    summary.details = _publish_anew(publisher, load, index_kind, content, workspace.codes)
                else:
                    summary.details = _change_in_place(publisher, load, changes, content)
                summary.done = len(library.assets if changes is None else changes.new)
                summary.already_there = len(library.assets) - summary.done
            _tell_left_out(library.told, summary, reporter)
            _tell_outdated(library.outdated, algorithm, summary, reporter)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def is_outdated(
    algorithm: str, workspace: Workspace, server: Server, *, index_kind: str, max_assets: int | None
) -> bool:
    """Whether something else is published than would be published now.

    Raises:
        WorkspaceError: The vectors are damaged.
        DatabaseError: The database cannot be reached or refuses.
    """
    live, _ = published_content(server, algorithm)
    vectors = VectorFiles.open(workspace, algorithm)
    if live in {None, _content(algorithm, workspace, vectors, index_kind, max_assets)}:
        return False
    # Tables may be written otherwise and say the same, as after 'clean'.
    return LibraryState.read(workspace, vectors, max_assets).digests != published_digests(server, algorithm)


def _tell_outdated(outdated: Mapping[str, int], algorithm: str, summary: Summary, reporter: Reporter) -> None:
    for stage, count in outdated.items():
        cure = CURES[stage].format(algorithm=algorithm)
        summary.details[f"outdated {stage}"] = count
        reporter.say(OUTDATED.format(count=count, stage=stage, cure=cure))


def _publish_anew(publisher: Publisher, load: _Load, index_kind: str, content: str, codes: Path) -> dict[str, int]:
    """Make a new version of everything; returns its counts."""
    with publisher.loading(**load.library.sizes(load.vectors), index_kind=index_kind) as loader:
        load(loader, load.library.assets)
        if load.world is not None:
            loader.load_world(load.world.texts, load.world.languages, load.world.vectors)
    return publisher.finish(index_kind, content, load.world_fingerprint, calibrate, codes)


def _change_in_place(publisher: Publisher, load: _Load, changes: Changes, content: str) -> dict[str, int]:
    """Change the live version; returns its counts."""
    with publisher.updating(content, changes.gone, changes.new) as (loader, counts):
        load(loader, [asset for asset in load.library.assets if asset.asset_id in changes.new])
    return counts


@dataclass(frozen=True, slots=True)
class _Load:
    """Loads assets with their vectors."""

    library: LibraryState
    vectors: VectorFiles
    world: World | None
    """Everyday things as queries."""
    bar: AbstractContextManager[Callable[[int], None]]

    @property
    def world_fingerprint(self) -> str:
        """Changes when the world does: scores are judged by it, so everything is published anew."""
        return self.world.fingerprint if self.world else ""

    def __call__(self, loader: Loader, assets: Sequence[Asset]) -> None:
        wanted = wanted_captions(assets, self.vectors)
        shown = {asset.asset_id: self.library.shown.get(asset.asset_id) for asset in assets}
        with self.bar as advance, CentroidSpool(self.vectors.space.dim) as spool:
            bounded = self.library.bounded
            loader.load_labels(bounded.get(asset.asset_id, asset) for asset in self.library.assets)
            loader.load_assets([bounded.get(asset.asset_id, asset) for asset in assets], self.library.digests)
            loader.load_captions(self.vectors.captions(wanted, advance))
            loader.load_views(self.vectors.views(shown, advance, spool))
            loader.load_centroids(spool.batches())


class Changes(NamedTuple):
    """How the live version becomes what is wanted."""

    new: AbstractSet[str]
    """Assets to load, some of them anew."""
    gone: Sequence[str]
    """Assets to take out before, among them those that are loaded anew."""


@dataclass(frozen=True, slots=True)
class LibraryState:
    """The assets of a workspace as they are to be published, with a digest of each and its vectors."""

    assets: Sequence[Asset]
    digests: Mapping[str, str]
    outdated: Mapping[str, int]
    """How many assets have something that was made from something else than they are, by the stage that mends it."""
    counts: Mapping[str, int]
    """How many assets have vectors of each source, and of any ``captions``; how many ``views`` these have at most."""
    bounded: Mapping[str, Asset]
    """Assets of which no database can hold everything, as they are stored: an older Meshseek imported them whole."""
    told: Mapping[str, str]
    """What is left out of these, and which assets are left out for their ids."""
    shown: Mapping[str, ShownViews]
    """Which vectors of views each asset has that are published."""

    @classmethod
    def read(cls, workspace: Workspace, vectors: VectorFiles, max_assets: int | None) -> LibraryState:
        """Read what the stages have written.

        Raises:
            WorkspaceError: Something is damaged.
        """
        current = CurrentAssets(workspace, max_assets)
        shown = ShownVectors(vectors)
        assets, bounded, told = _storable(_as_published(asset, workspace) for asset in shown.seen(current))
        digests: dict[str, str] = {}
        counts: Counter[str] = Counter()
        outdated: Counter[str] = Counter()
        for (_, stage), count in current.outdated.items():
            outdated[stage] += count
        for asset in assets:
            sources = shown.of(asset)
            outdated["embed"] += sources.is_outdated
            for source in sources.embedded:
                counts[source] += 1
            counts["captions"] += bool({"caption_english", "caption_chinese"} & set(sources.embedded))
            own = shown.views.get(asset.asset_id)
            counts["views"] += len(own.viewpoints or (0,)) if own else 0
            digests[asset.asset_id] = _digest(asset, sources)
        outdated = +outdated
        return cls(assets, digests, outdated, counts, bounded, told, shown.views)

    @property
    def has_chinese(self) -> bool:
        """Whether any asset has the vector of a Chinese caption."""
        return self.counts.get("caption_chinese", 0) > 0

    def sizes(self, vectors: VectorFiles) -> dict[str, int]:
        """How many vectors will be stored at most, and how many will be in graphs; one a language, of all captions."""
        count = Counter(self.counts)
        views = min(count["views"], vectors.rows("appearance"))
        stored = sum(count[source] for source in SOURCES) + views  # an asset with views has a centroid
        return {"vectors": stored, "graph_vectors": (1 + self.has_chinese) * count["captions"] + count["appearance"]}

    def changes(self, live: Mapping[str, str] | None, before: int) -> Changes | None:
        """What differs from the live version; None where the whole is rather published anew.

        Args:
            live: Digests of its assets; None where it cannot be changed.
            before: How many of them were changed in place already: much that is changed little by little is much.
        """
        if live is None:
            return None
        new = {asset_id for asset_id, digest in self.digests.items() if live.get(asset_id) != digest}
        gone = [asset_id for asset_id in live if asset_id not in self.digests or asset_id in new]
        return None if before + len(new.union(gone)) > UPDATED_SHARE * len(live) else Changes(new, gone)


def _storable(assets: Iterable[Asset]) -> tuple[list[Asset], dict[str, Asset], dict[str, str]]:
    """The assets whose ids a database can hold; those of which it can hold only a part; and what is left out, and why.

    An older Meshseek imported whatever an asset said of itself.
    """
    kept, bounded, told = [], {}, {}
    for asset in assets:
        fault = long_id(asset.asset_id)
        if fault is not None:
            told[asset.asset_id] = fault
            continue
        kept.append(asset)
        part, left_out = within_bounds(asset)
        if left_out:
            bounded[asset.asset_id] = part
            told[asset.asset_id] = f"without its {left_out[0]}"
    return kept, bounded, told


def _tell_left_out(told: Mapping[str, str], summary: Summary, reporter: Reporter) -> None:
    if told:
        name, what = next(iter(told.items()))
        summary.details["only in part"] = len(told)
        reporter.say(
            f"publish: {len(told):,} assets are too long to be published whole, for example '{name[:80]}' ({what}); "
            "shorten what is too long and import the library again"
        )


def _digest(asset: Asset, sources: Sources) -> str:
    """Changes whenever anything of an asset is to be published otherwise."""
    views = asset.views
    shown = (str(views.folder), views.viewpoint_ids, views.fingerprint) if views else None
    captions = (asset.captions_english, asset.captions_chinese)
    model = (asset.model, asset.model_fingerprint)
    text = json.dumps([DERIVED, captions, model, shown, asset.attributes, *sources[:2]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def _as_published(asset: Asset, workspace: Workspace) -> Asset:
    """With its library among its attributes; views of ours are named relative to the workspace."""
    views = asset.views
    below = f"{workspace.folder}/"
    if views is not None and str(views.folder).startswith(below):  # ten times as fast as Path's own way
        views = replace(views, folder=Path(str(views.folder).removeprefix(below)))
    attributes = {**asset.attributes, "library": asset.library} if asset.library else asset.attributes
    return replace(asset, attributes=attributes, views=views)


def _content(
    algorithm: str, workspace: Workspace, vectors: VectorFiles, index_kind: str, max_assets: int | None
) -> str:
    tables = [workspace.assets_table(), workspace.rendered_table(), workspace.chinese_captions_table()]
    digests = [table.digest for table in (*tables, *vectors.tables.values())]
    world = read_world(workspace, algorithm, vectors.space)
    world_made = world.fingerprint if world else ""
    parts = [digests, workspace.libraries.digest, world_made, max_assets, index_kind, vectors.count]
    return hashlib.sha256(json.dumps([*parts, CURRENT, DERIVED]).encode()).hexdigest()
