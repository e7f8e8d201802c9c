"""Every asset has its size, whatever library it is from, and older workspaces get it without doing their work again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.model_libraries import make_sh3f, png
from tests.stages import ALGORITHM, Stages

from meshseek.datasets import DatasetOptions
from meshseek.datasets.gobjaverse import Gobjaverse
from meshseek.datasets.sweethome3d import Sweethome3d
from meshseek.meshes.bounds import Box
from meshseek.meshes.glb import GlbMaterial, GlbPart, build_glb
from meshseek.model import Certainty
from meshseek.pipeline import measure
from meshseek.pipeline.import_assets import LibraryOptions
from meshseek.pipeline.measure import certainty_of
from meshseek.pipeline.update import UpdateOptions, plan
from meshseek.store.postgres import Server
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import ASSETS, MEASURED
from meshseek.workspace.workspace import Workspace


@pytest.fixture
def bare(workspace: Workspace, server: Server) -> Stages:
    """The stages in an empty workspace."""
    return Stages(workspace, server)


def block(*sides: float, low: float = 0) -> bytes:
    """A GLB that is as large as this along x, y and z."""
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.float32) * np.array(sides, np.float32) + low
    material = GlbMaterial(name="paint", colour=(1.0, 1.0, 1.0, 1.0), roughness=0.5, texture=None, alpha_mode="OPAQUE")
    normals = np.tile(np.array((0, 0, 1), np.float32), (4, 1))
    indices = np.array([0, 1, 2, 0, 1, 3])
    part = GlbPart(positions=corners, normals=normals, texcoords=None, indices=indices, material=material)
    return build_glb([part], {})


def sizes(workspace: Workspace) -> dict[str, Any]:
    """The attribute of each asset."""
    return {asset.asset_id: asset.attributes["size"] for asset in workspace.assets()}


def size(width: float, depth: float, height: float, certainty: Certainty) -> dict[str, Any]:
    """How the attribute is written."""
    unit = None if certainty == "unknown" else "m"
    return {"width": width, "depth": depth, "height": height, "unit": unit, "certainty": certainty}


def test_models_are_measured_and_their_unit_is_judged(bare: Stages, tmp_path: Path) -> None:
    """A chair is likely to be in metres; one of ninety units, a unit cube and a speck are not."""
    folder = tmp_path / "library"
    folder.mkdir()
    models = {
        "chair": block(0.45, 0.9, 0.5),
        "chair_in_cm": block(45, 90, 50),
        "unit_cube": block(1, 1, 1, low=-0.5),
        "speck": block(0.001, 0.002, 0.003),
    }
    for name, content in models.items():
        (folder / f"{name}.glb").write_bytes(content)
    bare.import_folder(folder)

    assert sizes(bare.workspace) == {
        "chair": size(0.45, 0.5, 0.9, "likely"),
        "chair_in_cm": size(45, 50, 90, "unknown"),
        "speck": size(0.001, 0.003, 0.002, "unknown"),
        "unit_cube": size(1, 1, 1, "unknown"),
    }


@pytest.mark.parametrize(
    ("low", "high", "certainty"),
    [
        ((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5), "unknown"),
        ((-0.5, -0.2, -0.1), (0.5, 0.2, 0.1), "unknown"),
        ((-1, -1, -1), (1, 1, 1), "unknown"),
        ((-0.5, 0, -0.5), (0.5, 1, 0.5), "likely"),
        ((-1, 0, -0.5), (1, 0.4, 0.5), "likely"),
        ((-0.6, -0.6, -0.6), (0.6, 0.6, 0.6), "likely"),
        ((0, 0, 0), (0.01, 0, 0), "likely"),
        ((0, 0, 0), (30, 1, 1), "likely"),
        ((0, 0, 0), (30.1, 1, 1), "unknown"),
        ((0, 0, 0), (0.0099, 0, 0), "unknown"),
    ],
)
def test_when_a_model_is_likely_to_be_in_metres(low: Any, high: Any, certainty: Certainty) -> None:
    """Scaled to a unit cube about the origin it is not, nor where it is smaller than a ring or larger than a house."""
    assert certainty_of(Box(low, high)) == certainty


def test_what_a_library_states_is_the_truth(bare: Stages, tmp_path: Path) -> None:
    """Of furniture, its catalogue's centimetres; of a folder, the columns of its captions file."""
    make_sh3f(tmp_path / "Test Pack.sh3f")
    furniture = Sweethome3d(DatasetOptions(path=tmp_path / "Test Pack.sh3f"))
    bare.import_dataset(furniture, LibraryOptions(name="furniture"))
    folder = tmp_path / "library"
    folder.mkdir()
    for name in ("stated", "odd"):
        (folder / f"{name}.glb").write_bytes(block(90, 70, 80))
    (folder / "captions.csv").write_text("id,width,depth,height,size\nstated,90,80,70,large\nodd,90,wide,70,\n")
    bare.import_folder(folder, "mine")

    assert sizes(bare.workspace) == {
        "Test-Pack/armchair": size(1, 0.5, 0.25, "stated"),
        "Test-Pack/armchair-2": size(0.1, 0.1, 0.4, "stated"),
        "mine/odd": size(90, 80, 70, "unknown"),
        "mine/stated": size(0.9, 0.8, 0.7, "stated"),
    }
    stated = {asset.asset_id: asset.attributes for asset in bare.workspace.assets()}
    assert stated["Test-Pack/armchair"]["dimensions_cm"] == [100.0, 50.0, 25.0]
    assert stated["mine/stated"]["size_given"] == "large"


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        ({"bbox": [[-0.5, -0.25, -0.1], [0.5, 0.25, 0.1]]}, size(1, 0.5, 0.2, "unknown")),
        ({"bbox": [[0, 0, 0], [1, "x", 1]]}, None),
        ({"bbox": [[0, 0, 0], [1, -1, 1]]}, None),
        ({"bbox": [[0, 0], [1, 1]]}, None),
        ({"bbox": 7}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_renders_tell_the_box_but_no_unit(bare: Stages, tmp_path: Path, camera: Any, expected: Any) -> None:
    """Models of G-Objaverse were scaled for their pictures; a camera file that is damaged tells nothing."""
    view = tmp_path / "renders" / "0" / "1" / "00000"
    view.mkdir(parents=True)
    (view / "00000.png").write_bytes(png())
    if camera is not None:
        (view / "00000.json").write_text(json.dumps(camera))
    bare.import_dataset(Gobjaverse(DatasetOptions(path=tmp_path / "renders")), LibraryOptions())

    assert sizes(bare.workspace) == {"0/1": expected}


def make_older(workspace: Workspace, kept: int = 0) -> None:
    """As if an older Meshseek had imported all but the first so many assets: without sizes, and without the column."""
    rows = [row for part in workspace.assets_table().tables() for row in part.to_pylist()]
    shutil.rmtree(workspace.folder / "assets")
    older = ShardFolder(workspace.folder / "assets", ASSETS.remove(ASSETS.get_field_index(MEASURED)))
    attributes = [json.loads(row["attributes"]) for row in rows[kept:]]
    bare_rows = [
        {**row, "attributes": json.dumps({name: value for name, value in known.items() if name != "size"})}
        for row, known in zip(rows[kept:], attributes, strict=True)
    ]
    older.append([{name: value for name, value in row.items() if name != MEASURED} for row in bare_rows])
    if kept:
        workspace.assets_table().append(rows[:kept])


def published_widths(stages: Stages) -> dict[str, float | None]:
    """What filters compare."""
    with stages.server.connect(ALGORITHM) as connection:
        return dict(connection.execute("SELECT asset_id, width FROM live.text_embeddings").fetchall())


def test_an_older_workspace_gets_sizes_without_being_made_anew(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update measures the files that are there: nothing is read again from the library, rendered or embedded."""
    whole, shown = sizes(stages.workspace), published_widths(stages)
    assert all(width is not None for width in shown.values())
    files = {path: path.stat().st_mtime_ns for path in stages.workspace.models.rglob("*.glb")}
    vectors = {path: path.stat().st_mtime_ns for path in (stages.workspace.folder / "vectors").rglob("*")}
    make_older(stages.workspace)
    stages.publish()
    assert set(published_widths(stages).values()) == {None}

    monkeypatch.setattr("meshseek.datasets.folder.Folder.read", None)
    monkeypatch.setattr("meshseek.renderers.embree.Embree.render", None)
    monkeypatch.setattr(Stages, "usual_embedder", None)
    options = UpdateOptions(algorithms=[ALGORITHM], workers=0)
    assert next(iter(plan(stages, options).values()))["measure"] == len(whole)
    updated = stages.update()

    assert [summary.done for summary in updated.summaries if not summary.stage.startswith("publish")] == [0, 0, 0]
    assert updated.summaries[0].details["measured"] == len(whole)
    assert sizes(stages.workspace) == whole
    assert published_widths(stages) == shown
    assert {path: path.stat().st_mtime_ns for path in stages.workspace.models.rglob("*.glb")} == files
    assert {path: path.stat().st_mtime_ns for path in (stages.workspace.folder / "vectors").rglob("*")} == vectors
    assert "measure" not in next(iter(plan(stages, options).values()))
    assert "measured" not in stages.update().summaries[0].details


def test_only_what_is_older_is_measured(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assets that have a size keep it, lots are small where there are many, and another revision measures all again."""
    whole = sizes(stages.workspace)
    make_older(stages.workspace, kept=2)
    monkeypatch.setattr(measure, "_LOT", 3)

    assert stages.update().summaries[0].details["measured"] == len(whole) - 2
    assert sizes(stages.workspace) == whole
    monkeypatch.setattr(measure, "REVISION", measure.REVISION + 1)
    assert stages.update().summaries[0].details["measured"] == len(whole)
    assert sizes(stages.workspace) == whole


def test_a_model_that_changed_is_measured_anew(bare: Stages, tmp_path: Path) -> None:
    """Its size follows the file."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "chair.glb").write_bytes(block(0.4, 0.9, 0.5))
    bare.import_folder(folder)
    (folder / "chair.glb").write_bytes(block(0.4, 1.5, 0.5) + bytes(4))
    bare.import_folder(folder)

    assert sizes(bare.workspace) == {"chair": size(0.4, 0.5, 1.5, "likely")}
