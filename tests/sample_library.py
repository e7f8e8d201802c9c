"""A small library of models, brought through every stage."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from meshseek.datasets import DATASETS, DatasetOptions
from meshseek.pipeline.embed import embed
from meshseek.pipeline.import_assets import import_assets
from meshseek.pipeline.publish import publish
from meshseek.pipeline.render import render
from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.pipeline.translate import translate
from meshseek.renderers import RENDERERS
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.translators import TranslatorOptions
from meshseek.translators.existing import Existing
from meshseek.workspace.workspace import Workspace
from tests.format_models import ktx2_glb
from tests.shared_lite import shared_lite

SAMPLES = 20
VIEWS = 3
SIZE = 128
ODD_ID = "古董 家具/50% off? #1 椅子"
"""Slash, spaces, Chinese and all that means something in a URL."""
BARE_ID = "bare"
"""A box without captions, tags and licence, whose picture is compressed: red above, blue below."""


def make_models(folder: Path) -> Path:
    """Write 22 models with captions.csv; returns the folder."""
    made = make_sample_assets(folder, SAMPLES)
    (made / ODD_ID).parent.mkdir(exist_ok=True)
    shutil.copy(made / "chair-0001.glb", made / f"{ODD_ID}.glb")
    (made / f"{BARE_ID}.glb").write_bytes(ktx2_glb("uastc"))
    texts = ("an antique wooden chair", "一把古董木椅", "Antique", "Living room", "seat;antique", "Meshseek", "CC0-1.0")
    with (made / "captions.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow((ODD_ID, *texts))
    return made


def make_library(workspace: Workspace, server: Server, source: Path) -> list[str]:
    """Import, render, embed and publish sample models; returns the asset ids."""
    reporter = SilentReporter()
    models = make_models(source)
    dataset = DATASETS.load("folder")(DatasetOptions(path=models, captions=models / "captions.csv"))
    import_assets(dataset, workspace, workers=0, max_assets=None, reporter=reporter)
    renderer = RENDERERS.load("embree")(views=VIEWS, size=SIZE)
    render(renderer, workspace, workers=0, max_assets=None, reporter=reporter)
    translate(Existing(TranslatorOptions()), workspace, max_assets=None, reporter=reporter)
    embed(shared_lite(), "lite", workspace, max_assets=None, reporter=reporter)
    publish("lite", workspace, server, max_assets=None, reporter=reporter)
    return [asset.asset_id for asset in workspace.assets()]
