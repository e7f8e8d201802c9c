"""Publish: assets and vectors from disk become the live version of an algorithm's database."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import NamedTuple

from meshseek.model import Asset
from meshseek.pipeline.embed import caption_fingerprint
from meshseek.pipeline.progress import Reporter
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.vector_files import CentroidSpool, VectorFiles, Wanted
from meshseek.store.postgres import Server
from meshseek.store.schema import CURRENT
from meshseek.store.write.loading import Loader
from meshseek.store.write.publisher import Publisher, published_content, publishing
from meshseek.workspace.workspace import SOURCES, Workspace, asset_row

DEFAULT_INDEX = "hnsw"
DIGEST_LENGTH = 16
UPDATED_SHARE = 0.1
"""Up to so large a part of the live version is changed in place. A graph that is built anew is better than one that had
much added and taken out, and building is faster than adding one by one."""
DERIVED = 1
"""Of what is made from assets when they are published (labels, words): another number, and all is published anew."""
STALE = (
    "publish: {count} assets changed since they were embedded, and are published without their old vectors; "
    "run 'meshseek embed --algorithm {algorithm}' and publish again"
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
        content = _content(workspace, vectors, index_kind, max_assets)
        library = LibraryState.read(workspace, vectors, max_assets)
        if published_content(server, algorithm) == content:
            summary.already_there = len(library.assets)
        else:
            with publishing(server, algorithm, vectors.space, reporter) as publisher:
                load = _Load(library, vectors, reporter.bar(f"publish {algorithm}", sum(map(vectors.rows, SOURCES))))
                changes = library.changes(publisher.live_digests(index_kind, chinese=library.has_chinese))
                if changes is None:
                    summary.details = _publish_anew(publisher, load, index_kind, content)
                else:
                    summary.details = _change_in_place(publisher, load, changes, content)
                summary.done = len(library.assets if changes is None else changes.new)
                summary.already_there = len(library.assets) - summary.done
            if library.stale:
                summary.details["stale"] = library.stale
                reporter.say(STALE.format(count=library.stale, algorithm=algorithm))
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def _publish_anew(publisher: Publisher, load: _Load, index_kind: str, content: str) -> dict[str, int]:
    """Make a new version of everything; returns its counts."""
    with publisher.loading(**load.library.sizes(load.vectors), index_kind=index_kind) as loader:
        load(loader, load.library.assets)
    return publisher.finish(index_kind, content)


def _change_in_place(publisher: Publisher, load: _Load, changes: Changes, content: str) -> dict[str, int]:
    """Change the live version; returns its counts."""
    with publisher.updating(content, changes.gone) as (loader, counts):
        load(loader, [asset for asset in load.library.assets if asset.asset_id in changes.new])
    return counts


@dataclass(frozen=True, slots=True)
class _Load:
    """Loads assets with their vectors."""

    library: LibraryState
    vectors: VectorFiles
    bar: AbstractContextManager[Callable[[int], None]]

    def __call__(self, loader: Loader, assets: Sequence[Asset]) -> None:
        wanted = wanted_vectors(assets)
        with self.bar as advance, CentroidSpool(self.vectors.space.dim) as spool:
            loader.load_labels(self.library.assets)
            loader.load_assets(assets, self.library.digests)
            loader.load_captions(self.vectors.captions(wanted, advance))
            loader.load_views(self.vectors.views(wanted, advance, spool))
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
    stale: int
    """How many assets have vectors that were made from something else than they are now."""
    counts: Mapping[str, int]
    """How many assets have vectors of each source, and of any ``captions``; how many ``views`` these have at most."""

    @classmethod
    def read(cls, workspace: Workspace, vectors: VectorFiles, max_assets: int | None) -> LibraryState:
        """Read what the stages have written.

        Raises:
            WorkspaceError: Something is damaged.
        """
        assets = list(_whole_assets(workspace, max_assets))
        wanted, made_from = wanted_vectors(assets), vectors.made_from()
        digests: dict[str, str] = {}
        stale = 0
        counts: Counter[str] = Counter()
        for asset in assets:
            own = {source: wanted[source].get(asset.asset_id) for source in SOURCES}
            found = {source: table.get(asset.asset_id) for source, table in made_from.items()}
            stale += any(found.get(source) not in {None, made} for source, made in own.items() if made)
            current = [source for source, made in own.items() if made and found.get(source) == made]
            counts.update(current)
            counts["captions"] += bool({"caption_english", "caption_chinese"} & set(current))
            counts["views"] += len(asset.views.viewpoint_ids) if asset.views and "appearance" in current else 0
            row = {name: value for name, value in asset_row(asset).items() if name != "fingerprint"}
            text = json.dumps([DERIVED, row, own, current], sort_keys=True)
            digests[asset.asset_id] = hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
        return cls(assets, digests, stale, counts)

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

    def changes(self, live: Mapping[str, str] | None) -> Changes | None:
        """What differs from the live version; None where the whole is rather published anew."""
        if live is None:
            return None
        new = {asset_id for asset_id, digest in self.digests.items() if live.get(asset_id) != digest}
        gone = [asset_id for asset_id in live if asset_id not in self.digests or asset_id in new]
        return None if len(new.union(gone)) > UPDATED_SHARE * len(live) else Changes(new, gone)


def _whole_assets(workspace: Workspace, max_assets: int | None) -> Iterator[Asset]:
    """The assets with what the render and translate stages found; views of ours are named relative to the workspace."""
    rendered = workspace.rendered_views()
    chinese = workspace.chinese_captions()
    for asset in workspace.assets(max_assets):
        views = asset.views or rendered.get(asset.asset_id)
        if views is not None and views.folder.is_relative_to(workspace.folder):
            views = replace(views, folder=views.folder.relative_to(workspace.folder))
        captions = chinese.get(asset.asset_id, asset.captions_chinese)
        yield replace(asset, captions_chinese=captions, views=views)


def wanted_vectors(assets: Sequence[Asset]) -> Wanted:
    """What the vectors of assets must have been made from."""
    return {
        "caption_english": {a.asset_id: caption_fingerprint(a.captions_english) for a in assets if a.captions_english},
        "caption_chinese": {a.asset_id: caption_fingerprint(a.captions_chinese) for a in assets if a.captions_chinese},
        "appearance": {a.asset_id: a.views.fingerprint for a in assets if a.views},
    }


def _content(workspace: Workspace, vectors: VectorFiles, index_kind: str, max_assets: int | None) -> str:
    tables = [workspace.assets_table(), workspace.rendered_table(), workspace.chinese_captions_table()]
    digests = [table.digest for table in (*tables, *vectors.tables.values())]
    return hashlib.sha256(json.dumps([digests, max_assets, index_kind, CURRENT, DERIVED]).encode()).hexdigest()
