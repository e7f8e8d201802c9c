"""The stages one after the other on real models: resumed, changed, damaged and killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.command_lines import run_here
from tests.toy import chinese_captions, embed_toys, import_toys, toy

from meshseek.datasets import DATASETS, DatasetOptions
from meshseek.errors import WorkspaceError
from meshseek.pipeline.embed import embed
from meshseek.pipeline.import_assets import import_assets
from meshseek.pipeline.render import render
from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.translate import translate
from meshseek.renderers import RENDERERS
from meshseek.reporting import SilentReporter
from meshseek.translators import TranslatorOptions
from meshseek.translators.existing import Existing
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import asset_row
from meshseek.workspace.view_files import view_file
from meshseek.workspace.workspace import Workspace

COUNT = 6
Counts = tuple[int, int, int]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Six generated models with captions."""
    return make_sample_assets(tmp_path, COUNT)


def counts(summary: Summary) -> Counts:
    """Done, skipped, already there."""
    return summary.done, summary.skipped, summary.already_there


def run_import(models: Path, workspace: Workspace, max_assets: int | None = None, workers: int = 0) -> Counts:
    """The import stage; in this process, for another one takes longer to start than to work."""
    dataset = DATASETS.load("folder")(DatasetOptions(path=models, captions=models / "captions.csv"))
    return counts(import_assets(dataset, workspace, workers=workers, max_assets=max_assets, reporter=SilentReporter()))


def run_render(workspace: Workspace, views: int = 2, workers: int = 0) -> Counts:
    """The render stage, with small pictures."""
    renderer = RENDERERS.load("embree")(views=views, size=32)
    return counts(render(renderer, workspace, workers=workers, max_assets=None, reporter=SilentReporter()))


def run_embed(workspace: Workspace) -> list[Counts]:
    """The translate and embed stages: English captions, Chinese captions, views."""
    return [counts(summary) for summary in embed_toys(workspace)]


def view_of(workspace: Workspace, asset_id: str, viewpoint_id: int) -> Path:
    """The picture of an asset's current view."""
    (views,) = [asset.views for asset in CurrentAssets(workspace) if asset.asset_id == asset_id]
    assert views is not None
    return view_file(views.folder, viewpoint_id)


def reasons(table: ShardFolder) -> dict[str, str]:
    """What a stage skipped, and why."""
    lines = (table.folder / "skipped.jsonl").read_text("utf-8").splitlines()
    return {line["asset_id"]: line["reason"] for line in map(json.loads, lines)}


def test_from_models_to_vectors_and_again(models: Path, workspace: Workspace) -> None:
    """Every stage does all of its work once, in processes of its own, and nothing the second time."""
    assert run_import(models, workspace, workers=1) == (COUNT, 0, 0)
    assert run_render(workspace, workers=1) == (COUNT, 0, 0)
    assert run_embed(workspace) == [(COUNT, 0, 0)] * 3

    assert run_import(models, workspace, workers=1) == (0, 0, COUNT)
    assert run_render(workspace, workers=1) == (0, 0, COUNT)
    assert run_embed(workspace) == [(0, 0, COUNT)] * 3
    assert len(workspace.vectors_table("toy", "appearance")) == 2 * COUNT
    assert not [path for path in workspace.folder.rglob("*") if path.name.endswith((".tmp", ".part"))]


def test_what_changed_is_done_again_and_only_that(models: Path, workspace: Workspace) -> None:
    """A changed model is imported, rendered and embedded again; its caption stays embedded."""
    run_import(models, workspace)
    run_render(workspace)
    run_embed(workspace)
    shutil.copy(models / "cup-0001.glb", models / "chair-0001.glb")

    assert run_import(models, workspace) == (1, 0, COUNT - 1)
    assert run_render(workspace) == (1, 0, COUNT - 1)
    assert run_embed(workspace) == [(0, 0, COUNT), (0, 0, COUNT), (1, 0, COUNT - 1)]
    chair, cup = (view_of(workspace, name, 1) for name in ("chair-0001", "cup-0001"))
    assert chair.read_bytes() == cup.read_bytes()
    assert run_render(workspace, views=3) == (COUNT, 0, 0)
    assert run_embed(workspace)[2] == (COUNT, 0, 0)


def test_damaged_assets_are_skipped_and_counted(models: Path, workspace: Workspace) -> None:
    """At each stage the damaged one has a reason, the others go on, and what is mended is done the next time."""
    good = (models / "cup-0001.glb").read_bytes()
    (models / "cup-0001.glb").write_bytes(good[:100])
    assert run_import(models, workspace) == (COUNT - 1, 1, 0)
    assert list(reasons(workspace.assets_table())) == ["cup-0001"]

    next(workspace.models.glob("sofa-0001@*.glb")).unlink()
    assert run_render(workspace) == (COUNT - 2, 1, 0)
    assert "is missing; put it there, or run 'meshseek update'" in reasons(workspace.rendered_table())["sofa-0001"]

    view_of(workspace, "chair-0001", 0).write_bytes(b"no picture")
    view_of(workspace, "table-0001", 1).unlink()
    assert run_embed(workspace)[2] == (COUNT - 4, 3, 0)
    skipped = reasons(workspace.vectors_table("toy", "appearance"))
    assert "damaged or not a picture" in skipped["chair-0001"]
    assert "has no view 1" in skipped["table-0001"]
    assert "has no views; run 'meshseek render'" in skipped["sofa-0001"]

    (models / "cup-0001.glb").write_bytes(good)
    assert run_import(models, workspace) == (2, 0, COUNT - 2), "the lost model is imported again as well"
    assert run_render(workspace) == (4, 0, COUNT - 4)
    assert run_embed(workspace)[2] == (4, 0, COUNT - 4)


def test_neighbours_of_a_damaged_picture_keep_their_vectors(workspace: Workspace) -> None:
    """In one batch, vectors stay with their assets though one of them has unreadable pictures."""
    assets = import_toys(workspace, 5)
    assert assets[1].views is not None
    view_file(assets[1].views.folder, 2).write_bytes(b"no picture")
    embed_toys(workspace)

    for table in workspace.vectors_table("toy", "appearance").tables():
        rows = table.to_pylist()
    assert [row["asset_id"] for row in rows] == [
        asset.asset_id for asset in assets if asset is not assets[1] for _ in range(3)
    ]
    other = Workspace(workspace.folder / "other")
    other.assets_table().append([asset_row(assets[4])])
    embed(toy(), "toy", other, max_assets=None, reporter=SilentReporter())
    (alone,) = other.vectors_table("toy", "appearance").tables()
    assert rows[-3:] == alone.to_pylist()


def test_only_so_many_assets(models: Path, workspace: Workspace) -> None:
    """``max_assets`` takes the first ones, and a later run without it the rest."""
    assert run_import(models, workspace, max_assets=2) == (2, 0, 0)
    first = [asset.asset_id for asset in workspace.assets()]
    assert run_import(models, workspace) == (COUNT - 2, 0, 2)
    assert [asset.asset_id for asset in workspace.assets(2)] == first
    assert len([asset.asset_id for asset in workspace.assets()]) == COUNT


def test_an_asset_comes_back_as_it_was_imported(models: Path, workspace: Workspace, tmp_path: Path) -> None:
    """Captions, attributes and model of every asset survive the table; the model's fingerprint and size join them."""
    dataset = DATASETS.load("folder")(DatasetOptions(path=models, captions=models / "captions.csv"))
    expected = [dataset.read(entry, tmp_path / "read") for entry in dataset.entries()]
    run_import(models, workspace)

    imported = list(workspace.assets())
    unread: dict[str, Any] = {"model": None, "model_fingerprint": None, "model_bytes": None, "added": None}
    assert [replace(asset, **unread) for asset in imported] == [
        replace(
            asset,
            model=None,
            attributes={**asset.attributes, "size": row.attributes["size"]},
            library=f"folder-{models.name}",
        )
        for asset, row in zip(expected, imported, strict=True)
    ]
    assert [asset.model_fingerprint for asset in imported] == [
        hashlib.sha256((models / str(asset.model)).read_bytes()).hexdigest() for asset in expected
    ]
    assert [(workspace.models / str(asset.model)).stat().st_size for asset in imported] == [
        asset.model_bytes for asset in imported
    ]


def test_assets_without_captions_are_counted(workspace: Workspace) -> None:
    """No caption in a language is a reason, not an error."""
    import_toys(workspace, 10)
    assert run_embed(workspace) == [(10, 0, 0), (8, 2, 0), (10, 0, 0)]
    assert reasons(workspace.vectors_table("toy", "caption_chinese")) == dict.fromkeys(
        ["toys/000", "toys/005"], "has no caption in this language"
    )


@pytest.mark.parametrize("stage", [run_render, run_embed])
def test_a_stage_before_the_first_says_what_to_run(workspace: Workspace, stage: Callable[[Workspace], object]) -> None:
    """Without assets every later stage names the import."""
    with pytest.raises(WorkspaceError, match="holds no assets; run 'meshseek import DATASET PATH' first"):
        stage(workspace)


def test_one_stage_runs_once_at_a_time(workspace: Workspace) -> None:
    """A second process is told which stage is busy and where."""
    import_toys(workspace, 1)
    with workspace.lock("translate"), pytest.raises(WorkspaceError, match="another process runs 'translate' in "):
        translate(Existing(TranslatorOptions()), workspace, max_assets=None, reporter=SilentReporter())
    with workspace.lock("embed-toy"), pytest.raises(WorkspaceError, match="another process runs 'embed-toy' in "):
        embed(toy(), "toy", workspace, max_assets=None, reporter=SilentReporter())


COMMANDS = {
    "import": lambda workspace: list((workspace / "models").rglob("*.glb")),
    "render": lambda workspace: list((workspace / "views").rglob("*.png")),
}


@pytest.mark.parametrize("stage", COMMANDS)
def test_killed_and_run_again(tmp_path: Path, stage: str) -> None:
    """After kill -9 in the middle, the same command ends with every asset once, and no worker outlives its parent."""
    many = 40
    folder = tmp_path / "workspace"
    models = make_sample_assets(tmp_path, many)
    environment = {**os.environ, "MESHSEEK_WORKSPACE": str(folder), "MESHSEEK_WORKERS": "2"}
    importing = ["import", "folder", str(models), "--captions", str(models / "captions.csv")]
    command = {"import": importing, "render": ["render", "--views", "2", "--size", "32"]}

    def start(name: str) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", "meshseek", *command[name], "--json"]
        return subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    if stage == "render":
        run_here(importing, {"MESHSEEK_WORKSPACE": str(folder)})
    process = start(stage)
    deadline = time.monotonic() + 60
    while not (len(COMMANDS[stage](folder)) > 0 or process.poll() is not None):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []

    told, _ = start(stage).communicate(timeout=100)
    summary = json.loads(told)
    assert (summary["done"] + summary["already_there"], summary["skipped"]) == (many, 0)
    workspace = Workspace(folder)
    table = workspace.assets_table() if stage == "import" else workspace.rendered_table()
    ids = [name for part in table.tables() for name in part["asset_id"].to_pylist()]
    assert sorted(ids) == sorted({path.stem for path in models.glob("*.glb")})
    leftovers = [path for path in folder.rglob("*") if ".tmp" in path.name or path.name.endswith(".part")]
    assert leftovers == []


FULL_DISK = """
import errno, sys
from pathlib import Path
from meshseek.pipeline.render import _Rendering
from meshseek.pipeline.stage import Task
from meshseek.renderers import embree
from meshseek.workspace.workspace import Workspace

def fail(*_):
    raise OSError(errno.ENOSPC, "No space left on device")

embree._write = fail
workspace = Workspace(Path(sys.argv[1]))
asset = next(workspace.assets())
try:
    rendering = _Rendering(embree.Embree(views=1, size=32), workspace)
    rendering(Task(asset_id=asset.asset_id, fingerprint="", payload=asset.model))
except OSError as error:
    print(error.errno == errno.ENOSPC, list(workspace.views.rglob("*.tmp")))
"""


def test_a_full_disk_while_rendering_is_no_fault_of_the_asset(models: Path, workspace: Workspace) -> None:
    """The worker ends the stage instead of skipping the asset, leaves nothing half-made, and can go on later."""
    run_import(models, workspace)
    told = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(workspace.folder)], capture_output=True, text=True, check=True
    )
    assert told.stdout == "True []\n"
    assert run_render(workspace) == (COUNT, 0, 0)


def test_views_of_a_dataset_are_not_rendered(workspace: Workspace) -> None:
    """Assets that came with pictures are left alone; one that has neither pictures nor a model is skipped."""
    assets = import_toys(workspace, 3)
    assert run_render(workspace) == (0, 0, 0)
    workspace.assets_table().append([asset_row(replace(assets[0], views=None, model=None))])
    assert run_render(workspace) == (0, 1, 0)
    assert reasons(workspace.rendered_table()) == {"toys/000": "has neither views nor a model to render"}


def test_assets_below_one_another_keep_their_views(tmp_path: Path, workspace: Workspace) -> None:
    """``chair`` and ``chair/00000`` share folders, and each has all of its views, also after rendering again."""
    made = make_sample_assets(tmp_path / "made", 1)
    library = tmp_path / "library"
    (library / "chair").mkdir(parents=True)
    for name in ("chair.glb", "chair/00000.glb"):
        shutil.copy(made / "chair-0001.glb", library / name)
    dataset = DATASETS.load("folder")(DatasetOptions(path=library))
    import_assets(dataset, workspace, workers=0, max_assets=None, reporter=SilentReporter())

    for views in (3, 2):
        assert run_render(workspace, views) == (2, 0, 0)
        for asset in CurrentAssets(workspace):
            assert asset.views is not None
            assert asset.views.viewpoint_ids == tuple(range(views))
            assert all(view_file(asset.views.folder, number).is_file() for number in range(views))


def test_new_captions_cost_no_rendering(models: Path, workspace: Workspace) -> None:
    """Another caption is imported and embedded; the model is as it was, so its views are not made again."""
    run_import(models, workspace)
    run_render(workspace)
    captions = models / "captions.csv"
    captions.write_text(captions.read_text("utf-8").replace("a small red chair", "a small scarlet chair"), "utf-8")

    assert run_import(models, workspace)[0] == 1
    assert run_render(workspace)[0] == 0


def test_a_withdrawn_translation_is_gone(workspace: Workspace) -> None:
    """A Chinese caption that the dataset takes back is not kept by the translate stage."""
    asset = next(iter(import_toys(workspace, 2)[1:]))
    embed_toys(workspace)
    assert chinese_captions(workspace)[asset.asset_id]

    workspace.assets_table().append([{**asset_row(asset), "captions_chinese": [], "fingerprint": "changed"}])
    embed_toys(workspace)

    assert chinese_captions(workspace)[asset.asset_id] == ()
