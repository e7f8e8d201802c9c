"""Sweet Home 3D libraries become described GLBs; all layouts are plug-ins."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from tests.model_libraries import CATALOGUE, make_sh3f, png, tree_of

from meshseek.datasets import DATASETS, Dataset, DatasetOptions
from meshseek.datasets.sweethome3d import Sweethome3d
from meshseek.errors import DatasetError, UnreadableAssetError


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Where models are put."""
    return tmp_path / "workspace" / "models"


@pytest.fixture
def furniture(tmp_path: Path) -> Sweethome3d:
    """A folder with one library."""
    folder = tmp_path / "library"
    folder.mkdir()
    make_sh3f(folder / "Test Pack.sh3f")
    return Sweethome3d(DatasetOptions(path=folder))


def test_the_layouts_are_plugins() -> None:
    """Each layout is found by its file name, and helpers are not mistaken for one."""
    assert DATASETS.names == ("folder", "gobjaverse", "sweethome3d", "webdataset")
    for name in DATASETS.names:
        assert issubclass(DATASETS.load(name), Dataset)


def test_furniture_is_described(furniture: Sweethome3d, models: Path) -> None:
    """Names in both languages, tags, creator, licence and size come from the catalogue, whatever its encoding."""
    first = next(furniture.entries())
    asset = furniture.read(first, models)
    assert asset.asset_id == "Test-Pack/armchair"
    assert asset.captions_english == ("Fauteuil élégant, seat, living room", "Fauteuil élégant")
    assert asset.captions_chinese == ("椅子", "扶手椅")
    assert asset.attributes == {
        "name": "Fauteuil élégant",
        "category": "Living room",
        "tags": ["Seat"],
        "creator": "René",
        "licence": "CC-BY-3.0-US",
        "dimensions_cm": [100.0, 50.0, 25.0],
        "faces": 12,
        "source": "Test Pack",
    }


def test_furniture_becomes_a_glb_of_true_size(furniture: Sweethome3d, models: Path) -> None:
    """The GLB is in metres, y up, on the floor, with its texture, its linear colours and its author inside."""
    asset = furniture.read(next(furniture.entries()), models)
    assert asset.model == "Test-Pack/armchair.glb"
    scene = trimesh.load_scene(models / asset.model)
    assert np.allclose(scene.bounds, [[-0.5, 0, -0.25], [0.5, 0.25, 0.25]])
    tree = tree_of(models / asset.model)
    assert tree["asset"]["copyright"] == "René, CC-BY-3.0-US"
    assert tree["asset"]["extras"]["author"] == "René"
    paint, glass = (material["pbrMetallicRoughness"] for material in tree["materials"])
    assert paint["baseColorFactor"] == [1, 1, 1, 1]
    assert "baseColorTexture" in paint
    assert glass["baseColorFactor"] == pytest.approx([0.214, 0.214, 0.214, 0.3], abs=1e-3)
    assert tree["materials"][1]["alphaMode"] == "BLEND"
    assert len(tree["images"]) == 1
    picture = next(iter(scene.geometry.values())).visual.material.baseColorTexture
    assert picture.size == (1024, 8)
    assert np.allclose(np.asarray(picture.convert("RGB"))[0, 0], (90, 60, 30), atol=3)
    for mesh in scene.geometry.values():
        assert np.allclose(np.abs(mesh.vertex_normals).max(axis=1), 1, atol=1e-5)


def test_furniture_is_turned_and_misses_its_texture_aloud(furniture: Sweethome3d, models: Path) -> None:
    """A model is turned before it is scaled; a missing texture leaves the diffuse colour and is named."""
    entry = list(furniture.entries())[1]
    asset = furniture.read(entry, models)
    assert asset.asset_id == "Test-Pack/armchair-2"
    assert asset.captions_chinese == ("台灯",)
    assert asset.model is not None
    assert np.allclose(trimesh.load_scene(models / asset.model).bounds, [[-0.05, 0, -0.05], [0.05, 0.4, 0.05]])
    assert tree_of(models / asset.model)["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] == [1, 0, 0, 1]
    assert asset.attributes["missing_textures"] == ["WOOD.PNG"]


def test_a_broken_model_is_one_unreadable_asset(furniture: Sweethome3d, models: Path) -> None:
    """The reason is given, and nothing is left where the model would be."""
    entry = list(furniture.entries())[2]
    with pytest.raises(UnreadableAssetError, match=r"Test-Pack/broken: cannot convert .*vertex"):
        furniture.read(entry, models)
    assert not list(models.rglob("*broken*"))


def test_furniture_fingerprints_follow_the_source(tmp_path: Path) -> None:
    """A fingerprint changes with the item's text or files, and only with those of that item."""
    dataset = Sweethome3d(DatasetOptions(path=make_sh3f(tmp_path / "a.sh3f")))
    before = [entry.fingerprint for entry in dataset.entries()]
    make_sh3f(tmp_path / "a.sh3f")
    assert [entry.fingerprint for entry in dataset.entries()] == before
    make_sh3f(tmp_path / "a.sh3f", **{"pack/cube/wood__png": png((1, 2, 3))})
    wood = [entry.fingerprint for entry in dataset.entries()]
    assert (wood[0] != before[0], wood[1:] == before[1:]) == (True, True)
    make_sh3f(
        tmp_path / "a.sh3f", PluginFurnitureCatalog__properties=CATALOGUE.replace("=Lamp", "=Torch").encode("latin-1")
    )
    text = [entry.fingerprint for entry in dataset.entries()]
    assert [now == then for now, then in zip(text, before, strict=True)] == [True, False, True]


def test_furniture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing or empty folder, a damaged library among good ones, and another kind of zip each name their cure."""
    make_sh3f(tmp_path / "good.sh3f")
    (tmp_path / "bad.sh3f").write_bytes((tmp_path / "good.sh3f").read_bytes()[:-100])
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("readme.txt", "nothing")
    for path, message in [
        (tmp_path, r"bad\.sh3f.*take it out"),
        (tmp_path / "bad.sh3f", r"bad\.sh3f.*download it again"),
        (tmp_path / "other.zip", "not a furniture library"),
        (tmp_path / "empty", "holds no .sh3f file; give"),
        (tmp_path / "absent", "there is no .*absent; give"),
    ]:
        with pytest.raises(DatasetError, match=message):
            list(Sweethome3d(DatasetOptions(path=path)).entries())
