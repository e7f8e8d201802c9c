"""A small library of models, brought through every stage."""

from __future__ import annotations

import csv
from pathlib import Path

import trimesh
from trimesh.visual.material import PBRMaterial

from meshseek.datasets import DATASETS, DatasetOptions
from meshseek.embedders import EMBEDDERS, EmbedderOptions
from meshseek.pipeline.embed import embed
from meshseek.pipeline.import_assets import import_assets
from meshseek.pipeline.progress import SilentReporter
from meshseek.pipeline.publish import publish
from meshseek.pipeline.render import render
from meshseek.pipeline.translate import translate
from meshseek.renderers import RENDERERS
from meshseek.store.postgres import Server
from meshseek.store.workspace import Workspace
from meshseek.translators.existing import Existing

VIEWS = 3
SIZE = 128
THINGS = {"chair": "椅子", "table": "桌子", "lamp": "灯", "sofa": "沙发"}
KINDS = {"wooden": "木", "metal": "金属", "small": "小", "blue": "蓝色"}


def make_models(folder: Path) -> Path:
    """Write 16 GLBs in sub-folders and their captions; returns the captions file."""
    rows = []
    for thing, chinese in THINGS.items():
        for number, (kind, kind_chinese) in enumerate(KINDS.items()):
            asset_id = f"{kind}/{thing} {number}"
            path = folder / f"{asset_id}.glb"
            path.parent.mkdir(parents=True, exist_ok=True)
            mesh = trimesh.creation.box((1, 1 + number, len(thing) - 3))
            material = PBRMaterial(baseColorFactor=[60 * number, 200, 90, 255])
            mesh.visual = trimesh.visual.TextureVisuals(material=material)
            path.write_bytes(mesh.export(file_type="glb"))
            rows.append((asset_id, f"{kind} {thing}", f"{kind_chinese}{chinese}", thing, f"{kind}|sample", "CC0"))
    captions = folder / "captions.csv"
    with captions.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "caption_en", "caption_zh", "category", "tags", "licence"), *rows])
    return captions


def make_library(workspace: Workspace, server: Server, source: Path) -> list[str]:
    """Import, render, embed and publish sample models; returns the asset ids."""
    rest = {"max_assets": None, "reporter": SilentReporter()}
    dataset = DATASETS.load("glb_folder")(DatasetOptions(path=source, captions=make_models(source)))
    import_assets(dataset, workspace, workers=2, **rest)
    render(RENDERERS.load("embree")(views=VIEWS, size=SIZE), workspace, workers=2, **rest)
    translate(Existing(), workspace, **rest)
    embed(EMBEDDERS.load("lite")(EmbedderOptions()), "lite", workspace, **rest)
    publish("lite", workspace, server, **rest)
    return [asset.asset_id for asset in workspace.assets()]
