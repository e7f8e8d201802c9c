"""A tree of renders in G-Objaverse's layout, changed as its owner would change it, and the stages over it."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from meshseek.datasets import DatasetOptions
from meshseek.datasets.gobjaverse import Gobjaverse
from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.model import ViewCount
from meshseek.pipeline.centroid_spool import CentroidSpool
from meshseek.pipeline.embed import embed
from meshseek.pipeline.import_assets import LibraryOptions, import_assets
from meshseek.pipeline.library_state import LibraryState
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.vector_files import VectorFiles
from meshseek.reporting import SilentReporter
from meshseek.workspace.workspace import Workspace
from tests.toy import Toy

SIDE = 8
Vectors = dict[tuple[str, int | None], bytes]
"""By asset and viewpoint."""


def picture(seed: int) -> bytes:
    """A PNG that looks like no other, of the same size as any other."""
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


@dataclass(slots=True)
class Renders:
    """The folder; assets are named as ``0/1``."""

    path: Path
    pictures: dict[tuple[str, int], int] = field(default_factory=dict)
    """The seed of each picture that is there."""
    _clock: int = 0

    def file(self, asset_id: str, viewpoint: int) -> Path:
        """Of a picture."""
        return self.path / asset_id / f"{viewpoint:05d}" / f"{viewpoint:05d}.png"

    def put(self, asset_id: str, *viewpoints: int, seed: int = 0) -> None:
        """Write pictures, new ones or in place of others."""
        for viewpoint in viewpoints:
            self._clock += 1
            file = self.file(asset_id, viewpoint)
            file.parent.mkdir(parents=True, exist_ok=True)
            own = 1000 * seed + 100 * int(asset_id[-1]) + viewpoint
            file.write_bytes(picture(own))
            os.utime(file, ns=(0, (1_700_000_000 + self._clock) * 10**9))
            self.pictures[asset_id, viewpoint] = own

    def remove(self, asset_id: str, viewpoint: int) -> None:
        """Delete a picture, if it is there."""
        self.file(asset_id, viewpoint).unlink(missing_ok=True)
        self.pictures.pop((asset_id, viewpoint), None)

    def bring_in(self, workspace: Workspace) -> Summary:
        """Import the tree."""
        dataset = Gobjaverse(DatasetOptions(path=self.path))
        options = LibraryOptions(name="renders", yes=True)
        return import_assets(dataset, workspace, workers=0, max_assets=None, reporter=SilentReporter(), library=options)


class Counting(Toy):
    """Counts the pictures it embeds; each has its own vector."""

    pictures = 0

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Count first."""
        self.pictures += len(images)
        return super().embed_images(images)


class CountingEight(Counting):
    """Takes eight views, if nothing else is said."""

    views_default: ClassVar[ViewCount] = 8


class Joint(Counting):
    """Makes one vector of eight views at most."""

    @property
    def views_together(self) -> int:
        """Eight."""
        return 8

    def embed_together(self, views: Sequence[Sequence[Image.Image]]) -> NDArray[np.float32]:
        """The mean of the views."""
        means = np.stack([self.embed_images(own).mean(axis=0) for own in views])
        vectors: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors


def counting(kind: type[Counting] = Counting, views: ViewCount | None = None) -> Counting:
    """An embedder that is told how many views to take."""
    return kind(EmbedderOptions(views=views))


def embed_renders(workspace: Workspace, embedder: Embedder) -> Summary:
    """Embed with the real stage; gives what it did with the views."""
    return embed(embedder, "toy", workspace, max_assets=None, reporter=SilentReporter())[-1]


def state_of(workspace: Workspace) -> LibraryState:
    """What is to be published."""
    return LibraryState.read(workspace, VectorFiles.open(workspace, "toy"), None)


def to_publish(workspace: Workspace) -> Vectors:
    """The vectors of views that publishing loads, from the files."""
    vectors, shown = VectorFiles.open(workspace, "toy"), state_of(workspace).wanted
    found: Vectors = {}
    with CentroidSpool(vectors.space.dim, vectors.folder) as spool:
        for batch in vectors.views(shown, lambda _: None, spool):
            rows = zip(batch.ids, batch.viewpoints, batch.has_viewpoint, batch.vectors, strict=True)
            found |= {(name, int(own) if there else None): row.tobytes() for name, own, there, row in rows}
        assert sum(len(own.ids) for own in spool.batches()) == len({name for name, _ in found})
    return found
