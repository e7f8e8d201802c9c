"""A library of made-up vectors, written as the import and embed stages would have written it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.synthetic import Synthetic, model_name
from meshseek.embedders.synthetic.world import Crowd, describe
from meshseek.errors import WorkspaceError
from meshseek.model import Asset, AssetTexts, ViewSet
from meshseek.pipeline.stage import Summary
from meshseek.reporting import Reporter
from meshseek.workspace.halves import COLUMN, to_column
from meshseek.workspace.made_from import caption_fingerprint
from meshseek.workspace.tables import Source, asset_row
from meshseek.workspace.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALGORITHM = "synthetic"
LOT, LOT_VIEWS = 4096, 65_536
"""Assets of a shard, and their views, whichever is less."""
SHARES = (0.001, 0.01, 0.1, 0.5)
"""Every asset has the tags ``random 1%`` and so on with this likelihood, and ``corner 1%`` by where its content is."""
LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0")
CREATORS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LibrarySize:
    """What is made."""

    assets: int
    views: int
    """Of each asset, at most."""
    dim: int
    seed: int = 0
    likeness: float = 0.95
    """Mean cosine of two views of one asset."""
    fewest_views: int | None = None
    """Assets have so many views or more, at random; None for ``views`` of each."""

    @property
    def lot(self) -> int:
        """Assets that are made at a time."""
        return max(1, min(LOT, LOT_VIEWS // max(1, self.views)))

    def counts(self, assets: int, part: int) -> NDArray[np.int64]:
        """How many views each asset of a lot has."""
        if self.fewest_views is None:
            return np.full(assets, self.views)
        return np.random.default_rng([self.seed, 6, part]).integers(self.fewest_views, self.views + 1, assets)


def make_library(size: LibrarySize, workspace: Workspace, reporter: Reporter) -> Summary:
    """Write assets with captions and attributes, caption vectors and view vectors.

    Raises:
        WorkspaceError: The workspace holds assets already, or cannot be written.
    """
    started = time.monotonic()
    if len(workspace.assets_table()):
        raise WorkspaceError(f"{workspace.folder} holds assets already; name an empty folder with --workspace")
    with workspace.lock("import"), reporter.bar("make", size.assets) as advance:
        for part, start in enumerate(range(0, size.assets, size.lot)):
            count = min(size.lot, size.assets - start)
            _write_lot(size, workspace, part, range(start, start + count))
            advance(count)
    return Summary(stage="make", done=size.assets, seconds=round(time.monotonic() - started, 3))


def _write_lot(size: LibrarySize, workspace: Workspace, part: int, numbers: range) -> None:
    embedder = Synthetic(EmbedderOptions(model=model_name(size.seed, size.likeness), dim=size.dim))
    crowd = embedder.world.assets(len(numbers), part)
    counts = size.counts(len(numbers), part)
    assets = list(_assets(size, embedder, crowd, part, zip(numbers, counts.tolist(), strict=True)))
    workspace.assets_table().append([asset_row(asset) for asset in assets])
    captions = embedder.world.captions(crowd, part)
    made_from = [caption_fingerprint(AssetTexts.of(asset), "english", "own_language") for asset in assets]
    vectors: dict[Source, pa.Table] = {"caption_english": _table(assets, None, made_from, captions)}
    if size.views:
        views = embedder.world.views(crowd, size.views, part)
        there = np.arange(size.views) < counts[:, None]
        vectors["appearance"] = _table(assets, counts, ["made"] * len(assets), views[there.ravel()])
    for source, table in vectors.items():
        workspace.vectors_table(ALGORITHM, source, embedder.space).append_table(table)


def _assets(
    size: LibrarySize, embedder: Synthetic, crowd: Crowd, part: int, numbers: Iterable[tuple[int, int]]
) -> Iterator[Asset]:
    """Assets by their numbers and how many views they have."""
    random = np.random.default_rng([size.seed, 5, part])
    count = len(crowd.cluster)
    chance = random.random(count)
    sample = embedder.world.projection(embedder.world.assets(20_000, 20_000_000))
    bounds = np.quantile(sample, [1 - share for share in SHARES])
    place = embedder.world.projection(crowd)
    faces = np.exp(random.normal(8, 1.5, count) + 0.5 * place / place.std())
    sizes = np.exp(random.normal(3.5, 1, (count, 3)))
    for n, (number, views) in enumerate(numbers):
        ids = tuple(range(views))
        noun, adjective = describe(int(crowd.cluster[n]))
        tags = [f"random {share:.1%}" for share in SHARES if chance[n] < share]
        tags += [f"corner {share:.1%}" for share, bound in zip(SHARES, bounds, strict=True) if place[n] > bound]
        attributes: dict[str, Any] = {
            "name": f"{noun} {number}",
            "category": noun,
            "tags": tags,
            "creator": f"creator {int(CREATORS * chance[n] ** 2)}",
            "licence": LICENCES[int(chance[n] * 997) % len(LICENCES)],
            "faces": int(faces[n]) + 4,
            "dimensions_cm": [round(float(value), 1) for value in sizes[n]],
        }
        yield Asset(
            asset_id=f"synthetic-{number:08d}",
            fingerprint="made",
            captions_english=(f"{adjective} {noun} number {number}",),
            views=ViewSet(folder=Path("nowhere"), viewpoint_ids=ids, fingerprint="made") if ids else None,
            attributes=attributes,
        )


def _table(
    assets: list[Asset], views: NDArray[np.int64] | None, made_from: list[str], vectors: NDArray[np.float32]
) -> pa.Table:
    each = [1] * len(assets) if views is None else views.tolist()
    viewpoints = pa.nulls(len(assets)) if views is None else pa.array([view for own in each for view in range(own)])
    return pa.table(
        {
            "asset_id": pa.array([asset.asset_id for asset, own in zip(assets, each, strict=True) for _ in range(own)]),
            "viewpoint_id": viewpoints.cast(pa.int16()),
            "fingerprint": pa.array([made for made, own in zip(made_from, each, strict=True) for _ in range(own)]),
            COLUMN: to_column(vectors.astype(np.float16)),
        }
    )
