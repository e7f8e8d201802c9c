"""Publish: assets and vectors from disk become the live version of an algorithm's database."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from meshseek.model import Asset
from meshseek.pipeline.calibrate import calibrate
from meshseek.pipeline.centroid_spool import CentroidSpool
from meshseek.pipeline.library_state import DERIVED, Changes, LeftOut, LibraryState
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.vector_files import VectorFiles
from meshseek.reporting import Reporter
from meshseek.store.indexes import DEFAULT_INDEX
from meshseek.store.postgres import Server
from meshseek.store.schema import CURRENT
from meshseek.store.shards import Shards
from meshseek.store.write.leftovers import remove_leftovers
from meshseek.store.write.live import published_content, published_digests
from meshseek.store.write.loading import Loader
from meshseek.store.write.publisher import Publisher, publishing
from meshseek.store.write.sharded import ShardedPublisher, publishing_on_shards, remove_former
from meshseek.store.write.split_loading import SplitLoader
from meshseek.workspace.tables import SOURCES
from meshseek.workspace.workspace import Workspace
from meshseek.workspace.world import World, read_world

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from meshseek.model import Space

UPDATED_SHARE = 0.1
"""Up to so large a part of the live version is changed in place. A graph that is built anew is better than one that had
much added and taken out, and building is faster than adding one by one."""
CURES = {"render": "render", "translate": "translate", "embed": "embed --algorithm {algorithm}"}
OUTDATED = (
    "publish: {count:,} assets have changed since '{stage}' and are published without its results; "
    "run 'meshseek {cure}' and publish again, or 'meshseek update'"
)


def publish(
    algorithm: str,
    workspace: Workspace,
    databases: Server | Shards,
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
        live, live_assets = published_content(databases, algorithm)
        if live == content:
            _remove_leftovers(databases, algorithm)
            summary.already_there = live_assets
        else:
            library = LibraryState.read(workspace, vectors, max_assets)
            with _publishing(databases, algorithm, vectors.space, reporter) as publisher:
                bar = reporter.bar(f"publish {algorithm}", sum(map(vectors.rows, SOURCES)))
                world = read_world(workspace, algorithm, vectors.space)
                load = _Load(library, vectors, world, partial(library.assets, workspace, max_assets), bar)
                # A change that shards make in place would not be one step.
                one = publisher if isinstance(publisher, Publisher) else None
                changes = _changes(one, load, index_kind, live_assets) if one else None
                if one and changes is not None:
                    summary.details = _change_in_place(one, load, changes, content)
                    summary.done = int(changes.new.sum())
                else:
                    summary.details = _publish_anew(publisher, load, index_kind, content, workspace.codes)
                    summary.done = len(library)
                summary.already_there = len(library) - summary.done
            _tell_left_out(library.left_out, summary, reporter)
            _tell_outdated(library.outdated, algorithm, summary, reporter)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def is_outdated(
    algorithm: str, workspace: Workspace, databases: Server | Shards, *, index_kind: str, max_assets: int | None
) -> bool:
    """Whether something else is published than would be published now.

    Raises:
        WorkspaceError: The vectors are damaged.
        DatabaseError: The database cannot be reached or refuses.
    """
    live, _ = published_content(databases, algorithm)
    vectors = VectorFiles.open(workspace, algorithm)
    if live in {None, _content(algorithm, workspace, vectors, index_kind, max_assets)}:
        return False
    # Tables may be written otherwise and say the same, as after 'clean'.
    state = LibraryState.read(workspace, vectors, max_assets)
    with closing(published_digests(databases, algorithm)) as digests:
        return not state.is_published(digests)


def _publishing(
    databases: Server | Shards, algorithm: str, space: Space, reporter: Reporter
) -> AbstractContextManager[Publisher | ShardedPublisher]:
    if isinstance(databases, Shards):
        return publishing_on_shards(databases, algorithm, space, reporter)
    return publishing(databases, algorithm, space, reporter)


def _remove_leftovers(databases: Server | Shards, algorithm: str) -> None:
    if isinstance(databases, Shards):
        remove_former(databases, algorithm)
    else:
        remove_leftovers(databases, algorithm)


def _tell_outdated(outdated: Mapping[str, int], algorithm: str, summary: Summary, reporter: Reporter) -> None:
    for stage, count in outdated.items():
        cure = CURES[stage].format(algorithm=algorithm)
        summary.details[f"outdated {stage}"] = count
        reporter.say(OUTDATED.format(count=count, stage=stage, cure=cure))


def _publish_anew(
    publisher: Publisher | ShardedPublisher, load: _Load, index_kind: str, content: str, codes: Path
) -> dict[str, int]:
    """Make a new version of everything; returns its counts."""
    with publisher.loading(**load.library.sizes(load.vectors), index_kind=index_kind) as loader:
        load(loader)
        if load.world is not None:
            loader.load_world(load.world.texts, load.world.languages, load.world.vectors)
    return publisher.finish(index_kind, content, load.world_fingerprint, calibrate, codes)


def _changes(publisher: Publisher, load: _Load, index_kind: str, live_assets: int) -> Changes | None:
    """What would be changed in the live version; None where a new one is to be made."""
    if not publisher.is_of_kind(index_kind, load.world_fingerprint, chinese=load.library.has_chinese):
        return None
    with closing(publisher.live_digests()) as digests:
        # Much that is changed little by little is much.
        return load.library.changes(digests, UPDATED_SHARE * live_assets - publisher.changed_in_place())


def _change_in_place(publisher: Publisher, load: _Load, changes: Changes, content: str) -> dict[str, int]:
    """Change the live version; returns its counts."""
    new = [asset_id for asset_id, is_new in zip(load.library.rows, changes.new, strict=True) if is_new]
    with publisher.updating(content, changes.gone, new) as (loader, counts):
        load(loader, changes.new)
    return counts


@dataclass(frozen=True, slots=True)
class _Load:
    """Loads assets with their vectors."""

    library: LibraryState
    vectors: VectorFiles
    world: World | None
    """Everyday things as queries."""
    assets: Callable[[NDArray[np.bool_] | None], Iterator[tuple[Asset, str]]]
    """The assets of some rows, or all, and their digests."""
    bar: AbstractContextManager[Callable[[int], None]]

    @property
    def world_fingerprint(self) -> str:
        """Changes when the world does: scores are judged by it, so everything is published anew."""
        return self.world.fingerprint if self.world else ""

    def __call__(self, loader: Loader | SplitLoader, only: NDArray[np.bool_] | None = None) -> None:
        wanted = replace(self.library.wanted, only=only)
        with self.bar as advance, CentroidSpool(self.vectors.space.dim, self.vectors.folder) as spool:
            loader.load_labels(self.library.book, self.library.rows)
            loader.load_assets(self.assets(only))
            loader.load_captions(self.vectors.captions(wanted, advance))
            loader.load_views(self.vectors.views(wanted, advance, spool))
            loader.load_centroids(spool.batches())


def _tell_left_out(left_out: LeftOut, summary: Summary, reporter: Reporter) -> None:
    if left_out.count:
        name, what = left_out.example
        summary.details["only in part"] = left_out.count
        reporter.say(
            f"publish: {left_out.count:,} assets are too long to be published whole, for example '{name[:80]}' "
            f"({what}); shorten what is too long and import the library again"
        )


def _content(
    algorithm: str, workspace: Workspace, vectors: VectorFiles, index_kind: str, max_assets: int | None
) -> str:
    tables = [workspace.assets_table(), workspace.rendered_table(), workspace.chinese_captions_table()]
    digests = [table.digest for table in (*tables, *vectors.tables.values())]
    world = read_world(workspace, algorithm, vectors.space)
    world_made = world.fingerprint if world else ""
    parts = [digests, workspace.libraries.digest, world_made, max_assets, index_kind, vectors.count]
    return hashlib.sha256(json.dumps([*parts, CURRENT, DERIVED]).encode()).hexdigest()
