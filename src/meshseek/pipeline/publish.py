"""Publish: assets and vectors from disk become the live version of an algorithm's database."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from meshseek.errors import SpaceMismatchError, WorkspaceError
from meshseek.model import Asset, Space
from meshseek.pipeline.embed import caption_fingerprint
from meshseek.pipeline.progress import Reporter
from meshseek.pipeline.stage import Summary
from meshseek.store.migrate import CURRENT
from meshseek.store.postgres import Server
from meshseek.store.publisher import published_content, publishing
from meshseek.store.shards import ShardFolder
from meshseek.store.workspace import Source, Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Vectors = NDArray[np.float16]

Wanted = Mapping[Source, Mapping[str, str]]
"""What each asset's vectors must have been made from; vectors may be left of what it had once."""

UNIT_TOLERANCE = 0.01
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
        vectors = _VectorFiles.open(workspace, algorithm)
        # First the digest, then the data: what another stage adds in between is published again, not forgotten.
        content = _content(workspace, vectors, index_kind, max_assets)
        assets = list(_whole_assets(workspace, max_assets))
        if published_content(server, algorithm) == content:
            summary.already_there = len(assets)
        else:
            with (
                reporter.bar(f"publish {algorithm}", vectors.rows) as advance,
                publishing(server, algorithm, vectors.space) as publisher,
            ):
                wanted = _wanted(assets)
                centroids: list[tuple[str, Vectors, float]] = []
                summary.done = publisher.load_assets(assets)
                publisher.load_captions(vectors.captions(wanted, advance))
                publisher.load_views(vectors.views(wanted, advance, centroids))
                publisher.load_centroids(centroids)
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


def _content(workspace: Workspace, vectors: _VectorFiles, index_kind: str, max_assets: int | None) -> str:
    tables = [workspace.assets_table(), workspace.rendered_table(), workspace.chinese_captions_table()]
    digests = [table.digest for table in (*tables, *vectors.tables.values())]
    return hashlib.sha256(json.dumps([digests, max_assets, index_kind, CURRENT]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _VectorFiles:
    """All vectors of one algorithm on disk, of one space."""

    space: Space
    tables: Mapping[Source, ShardFolder]
    stale: set[str] = field(default_factory=set)
    """Assets some of whose vectors were made from something else than they are now."""

    @classmethod
    def open(cls, workspace: Workspace, algorithm: str) -> _VectorFiles:
        sources = workspace.embedded_sources(algorithm)
        if not sources:
            raise WorkspaceError(
                f"no vectors of '{algorithm}' here; run 'meshseek embed --algorithm {algorithm}' first"
            )
        tables = {source: workspace.vectors_table(algorithm, source) for source in sources}
        spaces = {source: Space(**table.header["space"]) for source, table in tables.items()}
        if len(set(spaces.values())) > 1:
            listed = "; ".join(f"{source}: {space}" for source, space in spaces.items())
            raise SpaceMismatchError(f"'{algorithm}' was embedded in different spaces ({listed}); embed it again")
        return cls(next(iter(spaces.values())), tables)

    @property
    def rows(self) -> int:
        return sum(len(table) for table in self.tables.values())

    def captions(
        self, wanted: Wanted, advance: Callable[[int], None]
    ) -> Iterator[tuple[str, Vectors | None, Vectors | None]]:
        """Each asset's English and Chinese caption vectors; the Chinese ones wait in memory for their English ones."""
        chinese = {ids[0]: own[0] for ids, _, own in self._read("caption_chinese", wanted, advance)}
        for ids, _, own in self._read("caption_english", wanted, advance):
            yield ids[0], own[0], chinese.pop(ids[0], None)
        for asset_id, vector in chinese.items():
            yield asset_id, None, vector

    def views(
        self, wanted: Wanted, advance: Callable[[int], None], centroids: list[tuple[str, Vectors, float]]
    ) -> Iterator[tuple[str, int | None, Vectors]]:
        """Each view's vector; the centroid and spread of each asset's views are added to ``centroids``."""
        for ids, viewpoints, own in self._read("appearance", wanted, advance):
            mean = own.astype(np.float32).mean(axis=0)
            length = float(np.linalg.norm(mean))
            centroid = mean / length if length else own[0]
            centroids.append((ids[0], centroid.astype(np.float16), max(0.0, 1.0 - length)))
            yield from zip(ids, viewpoints, own, strict=True)

    def _read(
        self, source: Source, wanted: Wanted, advance: Callable[[int], None]
    ) -> Iterator[tuple[Sequence[str], Sequence[int | None], Vectors]]:
        """Asset by asset: its id for each row, viewpoint ids, and vectors of shape ``(rows, dim)``."""
        if source not in self.tables:
            return
        folder = self.tables[source].folder
        for table in self.tables[source].tables():
            ids = table["asset_id"].to_pylist()
            viewpoints = table["viewpoint_id"].to_pylist()
            vectors = _unit_vectors(table, self.space.dim, folder.as_posix())
            fingerprints = table["fingerprint"].to_pylist()
            starts = [0, *(n for n in range(1, len(ids)) if ids[n] != ids[n - 1]), len(ids)]
            for start, end in pairwise(starts):
                if start == end or ids[start] not in wanted[source]:
                    continue
                if fingerprints[start] == wanted[source][ids[start]]:
                    yield ids[start:end], viewpoints[start:end], vectors[start:end]
                else:
                    self.stale.add(ids[start])
            advance(len(ids))


def _unit_vectors(table: pa.Table, dim: int, folder: str) -> Vectors:
    values = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors: Vectors = np.asarray(values, dtype=np.float16).reshape(-1, dim)
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))
    if len(wrong):
        asset_id = table["asset_id"][int(wrong[0])].as_py()
        raise WorkspaceError(
            f"{folder} has {len(wrong)} vectors that are no unit vectors, first of '{asset_id}'; "
            "remove the folder and embed again"
        )
    return vectors
