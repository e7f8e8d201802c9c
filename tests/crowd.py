"""A library of random vectors in clusters, known in full, so that every ranking can be computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meshseek.model import Asset, AssetTexts, Language, Space, ViewSet
from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.store.indexes import DEFAULT_INDEX
from meshseek.store.postgres import Server
from meshseek.workspace.made_from import caption_fingerprint
from meshseek.workspace.tables import Source, asset_row
from meshseek.workspace.workspace import Workspace

DIM = 32
CLUSTERS = 30
SPACE = Space(embedder="crowd", model="random", revision="1", dim=DIM, preprocessing="none")

Vectors = NDArray[np.float16]
_NOWHERE = Path("/nowhere")


@dataclass(slots=True, kw_only=True)
class Crowd:
    """The assets and their vectors as they are stored."""

    assets: list[Asset] = field(default_factory=list)
    english: dict[str, Vectors] = field(default_factory=dict)
    chinese: dict[str, Vectors] = field(default_factory=dict)
    views: dict[str, Vectors] = field(default_factory=dict)
    """By asset id, shape ``(views, dim)``; the viewpoint ids are 10, 20, 30 ..."""

    @classmethod
    def of(cls, count: int, views: int = 4, seed: int = 0) -> Crowd:
        """Make ``count`` assets; every 10th has no English caption, every 3rd none in Chinese, every 7th no views."""
        random = np.random.default_rng(seed)
        centres = random.normal(size=(CLUSTERS, DIM))
        crowd = cls()
        for number in range(count):
            asset_id = f"crowd-{(number * 7919) % count:05d}"
            cluster = number % CLUSTERS
            own = centres[cluster] + random.normal(scale=0.5, size=DIM)
            viewpoints = () if number % 7 == 0 else tuple(10 * (n + 1) for n in range(views))
            crowd.assets.append(_asset(asset_id, number, cluster, viewpoints))
            if number % 10:
                crowd.english[asset_id] = units(own + random.normal(scale=0.5, size=DIM))
            if number % 3:
                crowd.chinese[asset_id] = units(own + random.normal(scale=0.5, size=DIM))
            if viewpoints:
                crowd.views[asset_id] = units(own + random.normal(scale=0.6, size=(views, DIM)))
        return crowd

    def write(self, workspace: Workspace, space: Space = SPACE) -> None:
        """Write what the import and embed stages would have written."""
        workspace.assets_table().append([asset_row(asset) for asset in self.assets])
        self._write(workspace, space, "caption_english", [(name, None, v) for name, v in self.english.items()])
        self._write(workspace, space, "caption_chinese", [(name, None, v) for name, v in self.chinese.items()])
        rows = [(name, 10 * (n + 1), v) for name, own in self.views.items() for n, v in enumerate(own)]
        self._write(workspace, space, "appearance", rows)

    def publish(self, workspace: Workspace, server: Server, index_kind: str = DEFAULT_INDEX) -> None:
        """Write and publish as algorithm ``crowd``."""
        self.write(workspace)
        publish("crowd", workspace, server, index_kind=index_kind, max_assets=None, reporter=SilentReporter())

    def _write(
        self, workspace: Workspace, space: Space, source: Source, rows: Sequence[tuple[str, int | None, Vectors]]
    ) -> None:
        columns = ("asset_id", "viewpoint_id", "vector", "fingerprint")
        made = {asset.asset_id: _made_from(asset, source) for asset in self.assets}
        table = workspace.vectors_table("crowd", source, space)
        table.append([dict(zip(columns, (name, view, v.tobytes(), made[name]), strict=True)) for name, view, v in rows])


def units(vectors: NDArray[np.float64]) -> Vectors:
    """Unit vectors as they are stored."""
    made: Vectors = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float16)
    return made


def cosines(vectors: Vectors, query: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines with a query, in full precision."""
    exact, other = vectors.astype(np.float64), query.astype(np.float16).astype(np.float64)
    found: NDArray[np.float64] = exact @ other / np.linalg.norm(exact, axis=-1) / np.linalg.norm(other)
    return found


def _made_from(asset: Asset, source: Source) -> str:
    if source == "appearance":
        return "made"
    language: Language = "english" if source == "caption_english" else "chinese"
    return caption_fingerprint(AssetTexts.of(asset), language, "own_language")


def _asset(asset_id: str, number: int, cluster: int, viewpoints: tuple[int, ...]) -> Asset:
    return Asset(
        asset_id=asset_id,
        fingerprint="made",
        captions_english=(f"number {number}",) if number % 10 else (),
        captions_chinese=(f"第{number}号",) if number % 3 else (),
        views=ViewSet(folder=_NOWHERE, viewpoint_ids=viewpoints, fingerprint="made") if viewpoints else None,
        attributes={
            "category": f"cluster {cluster}",
            "tags": [f"of seven {number % 7}", "even" if number % 2 == 0 else "odd"],
            "licence": "CC0" if number % 50 == 1 else "CC-BY",
            **({"faces": 10 * number} if number % 9 else {}),
        },
    )
