"""Generated furniture with captions in both languages, for machines where no real library can be had.

The folder is one for the ``folder`` dataset. The same count always gives the same bytes.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from meshseek.files import move_whole
from meshseek.meshes.glb import GlbMaterial, GlbPart, build_glb
from meshseek.meshes.mtl import linear
from meshseek.meshes.normals import crease_normals, weld
from meshseek.pipeline import _sample_shapes as shapes

REVISION = 1
"""Raised when the shapes change."""

MATERIALS = {"wood": (0.55, 0.37, 0.22), "metal": (0.45, 0.46, 0.48), "cloth": (0.93, 0.91, 0.86)}
"""sRGB of what is not in the asset's own colour."""

COLOURS = {
    "red": ("红色", (0.78, 0.12, 0.12)),
    "orange": ("橙色", (0.93, 0.5, 0.1)),
    "yellow": ("黄色", (0.94, 0.8, 0.16)),
    "green": ("绿色", (0.18, 0.52, 0.23)),
    "turquoise": ("青绿色", (0.12, 0.62, 0.62)),
    "blue": ("蓝色", (0.13, 0.31, 0.7)),
    "purple": ("紫色", (0.45, 0.2, 0.6)),
    "pink": ("粉色", (0.93, 0.55, 0.67)),
    "brown": ("棕色", (0.42, 0.26, 0.15)),
    "white": ("白色", (0.95, 0.95, 0.94)),
    "grey": ("灰色", (0.5, 0.5, 0.51)),
    "black": ("黑色", (0.07, 0.07, 0.08)),
}
SIZES = {"small": ("小型", 0.8), "": ("", 1.0), "large": ("大型", 1.25)}

_STRIDE = 31
"""Steps through all combinations of style, size and colour; prime, so that each comes once before any comes again."""
_GOLDEN = 0.6180339887


@dataclass(frozen=True, slots=True)
class _Kind:
    english: str
    chinese: str
    """With its measure word."""
    category: str
    tags: str
    styles: Mapping[str, str]
    build: shapes.Build


_KINDS = (
    _Kind(
        "chair",
        "一把{}椅子",
        "Living room",
        "seat",
        {"": "", "with armrests": "带扶手", "with a high back": "高靠背"},
        shapes.chair,
    ),
    _Kind(
        "table", "一张{}桌子", "Living room", "surface", {"": "长方形", "with a round top": "圆形桌面"}, shapes.table
    ),
    _Kind(
        "floor lamp",
        "一盏{}落地灯",
        "Lights",
        "light",
        {"with a cone shade": "锥形灯罩", "with a drum shade": "圆筒灯罩"},
        shapes.floor_lamp,
    ),
    _Kind(
        "cup",
        "一个{}杯子",
        "Kitchen",
        "tableware",
        {"with a handle": "带把手", "without a handle": "无把手"},
        shapes.cup,
    ),
    _Kind(
        "sofa",
        "一张{}沙发",
        "Living room",
        "seat;couch",
        {"with two seats": "双人", "with three seats": "三人"},
        shapes.sofa,
    ),
    _Kind(
        "bookcase",
        "一个{}书架",
        "Office",
        "storage;shelf",
        {"with three shelves": "三层", "with five shelves": "五层"},
        shapes.bookcase,
    ),
    _Kind("bed", "一张{}床", "Bedroom", "sleep", {"for one person": "单人", "for two people": "双人"}, shapes.bed),
    _Kind(
        "vase",
        "一个{}花瓶",
        "Living room",
        "decoration",
        {"with a round belly": "圆肚", "of slender shape": "细长"},
        shapes.vase,
    ),
    _Kind(
        "stool", "一张{}凳子", "Kitchen", "seat", {"with four legs": "四条腿", "on one foot": "单脚底座"}, shapes.stool
    ),
    _Kind(
        "desk",
        "一张{}书桌",
        "Office",
        "surface",
        {"with three drawers": "三个抽屉", "with two drawers": "两个抽屉"},
        shapes.desk,
    ),
    _Kind(
        "table lamp",
        "一盏{}台灯",
        "Lights",
        "light",
        {"with a cone shade": "锥形灯罩", "with a drum shade": "圆筒灯罩"},
        shapes.table_lamp,
    ),
    _Kind("bowl", "一个{}碗", "Kitchen", "tableware", {"of deep shape": "深口", "of flat shape": "浅口"}, shapes.bowl),
    _Kind(
        "wardrobe",
        "一个{}衣柜",
        "Bedroom",
        "storage",
        {"with two doors": "双门", "with three doors": "三门"},
        shapes.wardrobe,
    ),
    _Kind(
        "bottle",
        "一个{}瓶子",
        "Kitchen",
        "tableware",
        {"with a cork": "带软木塞", "with a metal cap": "带金属盖"},
        shapes.bottle,
    ),
    _Kind(
        "bench",
        "一条{}长凳",
        "Exterior",
        "seat;outdoor",
        {"without a back": "无靠背", "with a back": "带靠背"},
        shapes.bench,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One generated asset before it is built."""

    asset_id: str
    kind: _Kind
    colour: str
    size: str
    style: str
    width: float
    height: float

    @property
    def caption_english(self) -> str:
        """Such as ``a small red chair with armrests``."""
        words = " ".join(word for word in (self.size, self.colour, self.kind.english, self.style) if word)
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"

    @property
    def caption_chinese(self) -> str:
        """Such as ``一把小型红色椅子，带扶手``."""
        name = self.kind.chinese.format(SIZES[self.size][0] + COLOURS[self.colour][0])
        style = self.kind.styles[self.style]
        return f"{name}，{style}" if style else name


def make_sample_assets(folder: Path, count: int) -> Path:
    """Generate a folder of models with a ``captions.csv``, whole or not at all.

    Args:
        folder: Where the generated folders are kept.
        count: How many models.

    Returns:
        The folder for the ``folder`` dataset; a finished one is used again.
    """
    finished = folder / f"samples-{REVISION}-{count}"
    if finished.is_dir():
        return finished
    part = folder / f"{finished.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    samples = [plan_sample(number) for number in range(count)]
    for sample in samples:
        (part / f"{sample.asset_id}.glb").write_bytes(build_sample(sample))
    _write_captions(part / "captions.csv", samples)
    move_whole(part, finished)
    return finished


def plan_sample(number: int) -> Sample:
    """Choose kind, colour, size, style and proportions of the asset with this number."""
    turn, place = divmod(number, len(_KINDS))
    kind = _KINDS[place]
    combinations = list(product(kind.styles, SIZES, COLOURS))
    style, size, colour = combinations[(turn + place) * _STRIDE % len(combinations)]
    factor = SIZES[size][1]
    return Sample(
        asset_id=f"{kind.english.replace(' ', '-')}-{turn + 1:04d}",
        kind=kind,
        colour=colour,
        size=size,
        style=style,
        width=factor * (0.9 + 0.2 * (number * _GOLDEN % 1)),
        height=factor * (0.9 + 0.2 * (number * _GOLDEN * _GOLDEN % 1)),
    )


def build_sample(sample: Sample) -> bytes:
    """Build the GLB of one asset."""
    form = shapes.Form(style=list(sample.kind.styles).index(sample.style), width=sample.width, height=sample.height)
    pieces: dict[str, list[shapes.Triangles]] = {}
    for triangles, material in sample.kind.build(form):
        pieces.setdefault(material, []).append(triangles)
    colours = {**MATERIALS, "main": COLOURS[sample.colour][1]}
    parts = [_part(np.concatenate(found), name, colours[name]) for name, found in pieces.items()]
    extras = {"title": sample.caption_english, "author": "Meshseek", "license": "CC0-1.0", "source": "generated"}
    return build_glb(parts, {"copyright": "Meshseek, CC0-1.0", "extras": extras})


def _part(points: shapes.Triangles, name: str, colour: tuple[float, float, float]) -> GlbPart:
    vertices = weld(points.reshape(-1, 3)).reshape(-1, 3)
    red, green, blue = map(linear, colour)
    material = GlbMaterial(name=name, colour=(red, green, blue, 1.0), roughness=0.7, texture=None, alpha_mode="OPAQUE")
    return GlbPart(
        positions=points.reshape(-1, 3),
        normals=crease_normals(points, vertices).reshape(-1, 3),
        texcoords=None,
        indices=np.arange(points.shape[0] * 3),
        material=material,
    )


def _write_captions(path: Path, samples: list[Sample]) -> None:
    columns = ("id", "caption_en", "caption_zh", "name", "category", "tags", "creator", "licence")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for sample in samples:
            kind = sample.kind
            texts = (sample.caption_english, sample.caption_chinese)
            writer.writerow(
                (sample.asset_id, *texts, kind.english.capitalize(), kind.category, kind.tags, "Meshseek", "CC0-1.0")
            )
