"""A library of made-up vectors, written as the import and embed stages would have written it."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
LOT = 4096
"""Assets of a shard."""
SHARES = (0.001, 0.01, 0.1, 0.5)
"""Every asset has the tags ``random 1%`` and so on with this likelihood, and ``corner 1%`` by where its content is."""
LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0")
CREATORS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LibrarySize:
    """What is made."""

    assets: int
    views: int
    dim: int
    seed: int = 0
    likeness: float = 0.95
    """Mean cosine of two views of one asset."""


def make_library(size: LibrarySize, workspace: Workspace, reporter: Reporter) -> Summary:
    """Write assets with captions and attributes, caption vectors and view vectors.

    Raises:
        WorkspaceError: The workspace holds assets already, or cannot be written.
    """
    started = time.monotonic()
    if len(workspace.assets_table()):
        raise WorkspaceError(f"{workspace.folder} holds assets already; name an empty folder with --workspace")
    with workspace.lock("import"), reporter.bar("make", size.assets) as advance:
        for part, start in enumerate(range(0, size.assets, LOT)):
            count = min(LOT, size.assets - start)
            _write_lot(size, workspace, part, range(start, start + count))
            advance(count)
    return Summary(stage="make", done=size.assets, seconds=round(time.monotonic() - started, 3))


def _write_lot(size: LibrarySize, workspace: Workspace, part: int, numbers: range) -> None:
    embedder = Synthetic(EmbedderOptions(model=model_name(size.seed, size.likeness), dim=size.dim))
    crowd = embedder.world.assets(len(numbers), part)
    assets = list(_assets(size, embedder, crowd, part, numbers))
    workspace.assets_table().append([asset_row(asset) for asset in assets])
    captions = embedder.world.captions(crowd, part)
    made_from = [caption_fingerprint(AssetTexts.of(asset), "english", "own_language") for asset in assets]
    vectors: dict[Source, pa.Table] = {"caption_english": _table(assets, None, made_from, captions)}
    if size.views:
        views = embedder.world.views(crowd, size.views, part)
        vectors["appearance"] = _table(assets, size.views, ["made"] * len(assets), views)
    for source, table in vectors.items():
        workspace.vectors_table(ALGORITHM, source, embedder.space).append_table(table)


def _assets(size: LibrarySize, embedder: Synthetic, crowd: Crowd, part: int, numbers: range) -> Iterator[Asset]:
    random = np.random.default_rng([size.seed, 5, part])
    chance = random.random(len(numbers))
    sample = embedder.world.projection(embedder.world.assets(20_000, 20_000_000))
    bounds = np.quantile(sample, [1 - share for share in SHARES])
    place = embedder.world.projection(crowd)
    faces = np.exp(random.normal(8, 1.5, len(numbers)) + 0.5 * place / place.std())
    sizes = np.exp(random.normal(3.5, 1, (len(numbers), 3)))
    ids = tuple(range(size.views))
    for n, number in enumerate(numbers):
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


def _table(assets: list[Asset], views: int | None, made_from: list[str], vectors: NDArray[np.float32]) -> pa.Table:
    each = views or 1
    viewpoints = pa.nulls(len(assets), pa.int16()) if views is None else pa.array(list(range(views)) * len(assets))
    return pa.table(
        {
            "asset_id": pa.array([asset.asset_id for asset in assets for _ in range(each)]),
            "viewpoint_id": viewpoints.cast(pa.int16()),
            "fingerprint": pa.array([made for made in made_from for _ in range(each)]),
            COLUMN: to_column(vectors.astype(np.float16)),
        }
    )
