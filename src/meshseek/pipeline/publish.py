"""Publish: assets and vectors from disk become the live version of an algorithm's database."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from meshseek.model import Asset
from meshseek.pipeline.embed import caption_fingerprint
from meshseek.pipeline.progress import Reporter
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.vector_files import CentroidSpool, VectorFiles, Wanted
from meshseek.store.migrate import CURRENT
from meshseek.store.postgres import Server
from meshseek.store.publisher import published_content, publishing
from meshseek.store.workspace import SOURCES, Workspace

DEFAULT_INDEX = "hnsw"


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
        assets = list(_whole_assets(workspace, max_assets))
        if published_content(server, algorithm) == content:
            summary.already_there = len(assets)
        else:
            with (
                reporter.bar(f"publish {algorithm}", sum(map(vectors.rows, SOURCES))) as advance,
                publishing(server, algorithm, vectors.space, reporter) as publisher,
            ):
                with publisher.loading(**vectors.sizes), CentroidSpool(vectors.space.dim) as spool:
                    wanted = _wanted(assets)
                    summary.done = publisher.load_assets(assets)
                    publisher.load_captions(vectors.captions(wanted, advance))
                    publisher.load_views(vectors.views(wanted, advance, spool))
                    publisher.load_centroids(spool.batches())
                summary.details = publisher.finish(index_kind, content)
            if vectors.stale:
                summary.details["stale"] = len(vectors.stale)
                reporter.say(
                    f"publish: {len(vectors.stale)} assets changed since they were embedded, and are published without "
                    f"their old vectors; run 'meshseek embed --algorithm {algorithm}' and publish again"
                )
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


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


def _wanted(assets: Sequence[Asset]) -> Wanted:
    return {
        "caption_english": {a.asset_id: caption_fingerprint(a.captions_english) for a in assets if a.captions_english},
        "caption_chinese": {a.asset_id: caption_fingerprint(a.captions_chinese) for a in assets if a.captions_chinese},
        "appearance": {a.asset_id: a.views.fingerprint for a in assets if a.views},
    }


def _content(workspace: Workspace, vectors: VectorFiles, index_kind: str, max_assets: int | None) -> str:
    tables = [workspace.assets_table(), workspace.rendered_table(), workspace.chinese_captions_table()]
    digests = [table.digest for table in (*tables, *vectors.tables.values())]
    return hashlib.sha256(json.dumps([digests, max_assets, index_kind, CURRENT]).encode()).hexdigest()
