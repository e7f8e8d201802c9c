"""A small deterministic algorithm and a small library for it, in the formats of the real ones."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.model import Asset, Language, Role, Space, ViewSet
from meshseek.pipeline.embed import embed
from meshseek.pipeline.publish import publish
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.translate import translate
from meshseek.reporting import SilentReporter
from meshseek.search.algorithm import Algorithm
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.translators import TranslatorOptions
from meshseek.translators.existing import Existing
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

GRID = 4
SIDE = 16

THINGS = {"chair": "椅子", "table": "桌子", "lamp": "台灯", "sofa": "沙发", "bed": "床"}
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220), "grey": (128, 128, 128)}
COLOURS_CHINESE = {"red": "红", "green": "绿", "blue": "蓝", "grey": "灰"}
VIEWS = 3


class Toy(Embedder):
    """Words as a hashed bag, pictures as a grid of mean colours; ``toy-96`` has 96 dimensions instead of 64."""

    revision: ClassVar[str] = "1"

    @property
    def space(self) -> Space:
        """Where the vectors are comparable."""
        model = self.options.model or "toy-64"
        dim = int(model.removeprefix("toy-"))
        return Space(embedder="toy", model=model, revision=self.revision, dim=dim, preprocessing=f"{GRID} x {GRID}")

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Count each Latin word and each other character in one place of the vector."""
        del role
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"[a-z0-9]+|[^\x00-\x7f]", text.lower()) or [""]:
                row[zlib.crc32(word.encode(errors="replace")) % self.dim] += 1
        return _units(vectors)

    def world_texts(self) -> list[tuple[str, Language | None]]:
        """Two things, in both languages."""
        return [("chair", "english"), ("椅子", "chinese"), ("bicycle", "english"), ("自行车", "chinese")]

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Average the colours of 16 fields."""
        vectors = np.full((len(images), self.dim), 0.05, dtype=np.float32)
        for row, image in zip(vectors, images, strict=True):
            small = image.convert("RGB").resize((GRID, GRID), Image.Resampling.BOX)
            row[: GRID * GRID * 3] = np.asarray(small, dtype=np.float32).ravel() / 255 - 0.45
        return _units(vectors)


class NewerToy(Toy):
    """The same algorithm with another revision of its model: another space."""

    revision = "2"


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units


def toy(model: str | None = None) -> Toy:
    """A toy embedder."""
    return Toy(EmbedderOptions(model=model))


def toy_assets(folder: Path, count: int = 40, word: str = "number") -> Iterator[Asset]:
    """Assets with captions in both languages and pictures below ``folder``; every fifth lacks Chinese captions."""
    names = [(thing, colour) for thing in THINGS for colour in COLOURS]
    for number in range(count):
        thing, colour = names[number % len(names)]
        views = folder / f"{number:03d}"
        for viewpoint in range(VIEWS):
            _draw(views, viewpoint, number)
        chinese = () if number % 5 == 0 else (f"{COLOURS_CHINESE[colour]}色的{THINGS[thing]}",)
        yield Asset(
            asset_id=f"toys/{number:03d}",
            fingerprint=f"made-{number}",
            captions_english=(f"a {colour} {thing} {word}{number}",),
            captions_chinese=chinese,
            model=f"toys/{number:03d}.glb",
            views=ViewSet(folder=views, viewpoint_ids=tuple(range(VIEWS)), fingerprint=f"drawn-{number}"),
            attributes={"category": thing, "tags": [colour, f"group{number % 3}"], "creator": f"maker {number % 2}"},
        )


def _draw(views: Path, viewpoint: int, number: int) -> None:
    """One picture: the colour of the asset, with a pattern of its own that turns with the viewpoint."""
    pixels = np.random.default_rng(1000 * number + viewpoint).integers(0, 256, (GRID, GRID, 3), dtype=np.uint8)
    colour = list(COLOURS.values())[number % len(COLOURS)]
    mixed = (pixels * 0.5 + np.array(colour) * 0.5).astype(np.uint8)
    path = views / f"{viewpoint:05d}" / f"{viewpoint:05d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mixed).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(path)


def import_toys(workspace: Workspace, count: int = 40, word: str = "number") -> list[Asset]:
    """Put toy assets into a workspace as the import stage would."""
    assets = list(toy_assets(workspace.folder / "pictures", count, word))
    workspace.assets_table().append([asset_row(asset) for asset in assets])
    return assets


def embed_toys(workspace: Workspace, embedder: Embedder | None = None) -> list[Summary]:
    """Translate and embed what a workspace holds, with the real stages."""
    translate(Existing(TranslatorOptions()), workspace, max_assets=None, reporter=SilentReporter())
    return embed(embedder or toy(), "toy", workspace, max_assets=None, reporter=SilentReporter())


def chinese_captions(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    """What the translate stage has written, by asset id."""
    return {
        row["asset_id"]: tuple(row["captions"])
        for table in workspace.chinese_captions_table().tables()
        for row in table.to_pylist()
    }


def toy_algorithm(server: Server, codes: Path | None = None) -> Algorithm:
    """The published toys, ready to be searched."""
    return Algorithm("toy", Library(server, "toy", codes=codes), lambda space: toy(space.model))


def publish_toys(workspace: Workspace, server: Server, max_assets: int | None = None) -> Summary:
    """Publish a workspace's toy vectors."""
    return publish("toy", workspace, server, max_assets=max_assets, reporter=SilentReporter())
