"""Models in other formats than glTF: what becomes of their geometry, unit and axes, and of what is compressed."""

from __future__ import annotations

import io
import logging
import sys
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner
from tests.format_models import PACKED, SIDES, WRITERS, dae, exported, fbx, threemf, usd
from tests.hostile.other_formats import clips_in_a_variant
from tests.model_libraries import png

from meshseek.datasets import DATASETS, DatasetOptions
from meshseek.datasets.folder import Folder
from meshseek.errors import DatasetError, UnreadableAssetError
from meshseek.interfaces.cli import main
from meshseek.meshes.bounds import measure_glb
from meshseek.meshes.gltf import read_glb
from meshseek.meshes.model_files import FolderFiles
from meshseek.meshes.readers.fbx import read_fbx
from meshseek.model import Asset
from meshseek.pipeline.measure import with_size
from meshseek.renderers.embree import Embree
from meshseek.renderers.embree.scene import load_model
from meshseek.workspace.workspace import Workspace

ROOT = Path(__file__).parents[2]
EXPECTED: dict[str, tuple[float, str, tuple[str, str, str, str]]] = {
    ".stl": (0.001, "unknown", ("mm", "convention", "z", "convention")),
    ".ply": (1, "likely", ("m", "guessed", "z", "guessed")),
    ".off": (1, "likely", ("m", "guessed", "z", "guessed")),
    ".3mf": (0.01, "stated", ("cm", "declared", "z", "convention")),
    ".dae": (0.01, "stated", ("cm", "declared", "z", "declared")),
    ".fbx": (0.0254, "stated", ("inch", "declared", "z", "declared")),
    ".usda": (0.001, "stated", ("mm", "declared", "z", "declared")),
    ".usdc": (0.001, "stated", ("mm", "declared", "z", "declared")),
    ".usdz": (0.001, "stated", ("mm", "declared", "z", "declared")),
    ".obj": (1, "likely", ("m", "guessed", "y", "guessed")),
}
"""Metres of the unit, how sure we are of the size, and what is kept of unit and axis."""

TEXTURED = """#usda 1.0
(defaultPrim = "part")
def Mesh "part" (prepend apiSchemas = ["MaterialBindingAPI"])
{
    int[] faceVertexCounts = [3]
    int[] faceVertexIndices = [0, 1, 2]
    point3f[] points = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]
    texCoord2f[] primvars:st = [(0, 0), (1, 0), (0, 1)] (interpolation = "vertex")
    rel material:binding = </part/paint>
    def Material "paint"
    {
        token outputs:surface.connect = </part/paint/shader.outputs:surface>
        def Shader "shader"
        {
            uniform token info:id = "UsdPreviewSurface"
            color3f inputs:diffuseColor.connect = </part/paint/picture.outputs:rgb>
            token outputs:surface
        }
        def Shader "picture"
        {
            uniform token info:id = "UsdUVTexture"
            asset inputs:file = @./tex/wood.png@
            float3 outputs:rgb
        }
    }
}
"""


def imported(folder: Path, content: bytes, suffix: str, **options: Any) -> tuple[Asset, Path]:
    """A library of one model, read; the asset, and its GLB."""
    library, models = folder / "library", folder / "models"
    library.mkdir(exist_ok=True)
    (library / f"box{suffix}").write_bytes(content)
    dataset = Folder(DatasetOptions(path=library, **options))
    asset = with_size(dataset.read(next(dataset.entries()), models), models)
    return asset, models / str(asset.model)


def turned(up: str) -> np.ndarray[Any, Any]:
    """The corners of the box (8, 3) as they are with Y up, from a file with another axis up."""
    x, y, z = np.asarray(trimesh.creation.box(SIDES).vertices).T
    return np.stack({"x": (-y, x, z), "y": (x, y, z), "z": (x, z, -y)}[up], axis=1)


def corners(path: Path) -> np.ndarray[Any, Any]:
    """The corners of a GLB, about its middle, sorted."""
    vertices = np.asarray(trimesh.load_mesh(path).vertices)
    return ordered(vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2)


def ordered(vertices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Each place once, sorted."""
    return np.asarray(np.unique(np.round(vertices, 5) + 0.0, axis=0))


@pytest.mark.parametrize("suffix", EXPECTED)
def test_a_model_becomes_a_glb_in_metres_with_y_up(tmp_path: Path, suffix: str) -> None:
    """Its corners are where they were, and what was taken for its unit and axis is kept."""
    asset, path = imported(tmp_path, WRITERS[suffix](), suffix)
    metres, certainty, told = EXPECTED[suffix]
    assert np.allclose(corners(path), ordered(turned(told[2]) * metres), atol=2e-5)
    kept = asset.attributes["made_from"]
    assert tuple(kept[name] for name in ("unit", "unit_from", "up", "up_from")) == told
    width, depth, height = (1, 3, 2) if told[2] == "y" else SIDES
    size = asset.attributes["size"]
    assert size["certainty"] == certainty
    assert (size["width"], size["depth"], size["height"]) == pytest.approx(
        (width * metres, depth * metres, height * metres), rel=1e-3
    )
    assert asset.attributes["faces"] == 12


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_user_knows_better(tmp_path: Path, suffix: str) -> None:
    """A forced unit and axis hold for every format, glTF among them, whatever the file says."""
    asset, path = imported(tmp_path, WRITERS[suffix](), suffix, unit="cm", up="x")
    assert np.allclose(corners(path), ordered(turned("x") * 0.01), atol=2e-5)
    kept, size = asset.attributes["made_from"], asset.attributes["size"]
    assert (kept["unit"], kept["unit_from"], kept["up"], kept["up_from"]) == ("cm", "forced", "x", "forced")
    assert (size["unit"], size["certainty"]) == ("m", "stated")


def test_what_is_forced_changes_what_an_asset_is_made_from(tmp_path: Path) -> None:
    """A library that is imported with another unit is read again; 'auto' is as if nothing was said."""
    (tmp_path / "a.stl").write_bytes(exported("stl"))
    plain, forced, automatic = (
        next(Folder(DatasetOptions(path=tmp_path, unit=unit)).entries()).fingerprint for unit in (None, "inch", "auto")
    )
    assert plain == automatic != forced


def test_only_folders_take_a_unit(tmp_path: Path) -> None:
    """Other layouts know their models' size."""
    with pytest.raises(DatasetError, match="leave out --unit and --up"):
        DATASETS.load("sweethome3d")(DatasetOptions(path=tmp_path, unit="cm"))


@pytest.mark.parametrize(
    ("suffix", "content", "told"),
    [
        (".dae", dae("", ""), ("m", "convention", "y", "convention")),
        (".3mf", threemf(None), ("mm", "convention", "z", "convention")),
        (".usda", usd(metres=None, up=None), ("cm", "convention", "y", "convention")),
        (".fbx", fbx(1, 1), ("cm", "declared", "y", "declared")),
        (".stl", exported("stl_ascii"), ("mm", "convention", "z", "convention")),
        (".ply", exported("ply"), ("m", "guessed", "z", "guessed")),
    ],
)
def test_what_a_file_does_not_say_is_as_its_format_has_it(
    tmp_path: Path, suffix: str, content: bytes, told: tuple[str, ...]
) -> None:
    """Unit and axis of the format's specification, or a guess where it has none."""
    asset, _ = imported(tmp_path, content, suffix)
    kept = asset.attributes["made_from"]
    assert tuple(kept[name] for name in ("unit", "unit_from", "up", "up_from")) == told


def test_a_deep_node_of_an_fbx_is_placed_or_refused(tmp_path: Path) -> None:
    """The deepest that is allowed is placed by its own matrix; a deeper one is not left out in silence."""
    flat, deepest = (read_fbx(fbx(deep=deep), FolderFiles(tmp_path, tmp_path)).surfaces for deep in (1, 200))
    assert np.allclose(deepest[0].corners, flat[0].corners)
    assert np.allclose(np.mean(deepest[0].corners.reshape(-1, 3), axis=0), (0, 0, 10), atol=1)
    with pytest.raises(UnreadableAssetError, match="more than 200 deep"):
        imported(tmp_path, fbx(deep=201), ".fbx")


def test_what_other_extensions_put_into_a_3mf_is_passed_over(tmp_path: Path) -> None:
    """Slices have vertices of their own, without a height; objects in parts are found by the name of production."""
    with zipfile.ZipFile(io.BytesIO(threemf())) as zipped:
        model = zipped.read("3D/3dmodel.model").decode()
    home = "http://schemas.microsoft.com/3dmanufacturing"
    slices = '<s:slicestack id="9"><s:slice ztop="1"><s:vertices><s:vertex x="0" y="0"/></s:vertices></s:slice>'
    sliced = model.replace("<model", f'<model xmlns:s="{home}/slice/2015/07" xmlns:p="{home}/production/2015/06"')
    sliced = sliced.replace("<resources>", f"<resources>{slices}</s:slicestack>").replace(
        '<item objectid="2"', '<item objectid="2" s:path="/none.model" p:path="/3D/3dmodel.model"'
    )
    asset, path = imported(tmp_path, threemf(model=sliced), ".3mf")
    assert asset.attributes["faces"] == 12
    plain = corners(imported(tmp_path, threemf(), ".3mf")[1])
    assert np.allclose(corners(path), plain)


@pytest.mark.parametrize("suffix", [".3mf", ".usda", ".ply"])
def test_colours_are_kept(tmp_path: Path, suffix: str) -> None:
    """Of materials, of meshes and of vertices."""
    mesh = trimesh.creation.box(SIDES)
    mesh.visual.vertex_colors = [255, 0, 0, 255]
    content = bytes(mesh.export(file_type="ply")) if suffix == ".ply" else WRITERS[suffix]()
    model = load_model(imported(tmp_path, content, suffix)[1])
    assert model.colours is not None
    assert np.allclose(model.colours, [1, 0, 0, 1], atol=1e-3)


def test_other_formats_do_not_change_the_ids_of_gltf_and_obj(tmp_path: Path) -> None:
    """Beside a GLB, an STL of the same name keeps its suffix, and the GLB its id."""
    for name in ("chair.glb", "chair.stl", "lamp.stl", "lamp.ply", "table.usda"):
        (tmp_path / name).write_bytes(b"")
    names = [entry.asset_id for entry in Folder(DatasetOptions(path=tmp_path)).entries()]
    assert names == ["chair", "chair.stl", "lamp.ply", "lamp.stl", "table"]


@pytest.mark.parametrize("kind", PACKED)
def test_a_compressed_model_becomes_a_plain_one(tmp_path: Path, kind: str) -> None:
    """It needs no decoder any more, and shows what it showed."""
    _, path = imported(tmp_path, PACKED[kind](), ".glb")
    tree = read_glb(path).tree
    assert tree.compression() is None
    assert tree.extensions_required == []
    assert np.allclose(corners(path), ordered(turned("y")), atol=2e-4)
    box = measure_glb(path)
    assert box is not None
    assert box.sides == pytest.approx(SIDES, rel=1e-3)
    model = load_model(path)
    if kind.startswith("ktx2"):
        picture = next(material.texture for material in model.materials if material.texture).image.convert("RGB")
        pixels = np.asarray(picture)
        assert np.allclose(pixels[[1, 6], [1, 6]], [(255, 0, 0), (0, 0, 255)], atol=12)
    Embree(views=1, size=16).render(path, tmp_path / "views")


def test_a_model_that_an_older_meshseek_left_compressed_is_rendered(tmp_path: Path) -> None:
    """It is decoded when it is read."""
    for kind, write in PACKED.items():
        (tmp_path / f"{kind}.glb").write_bytes(write())
        assert len(load_model(tmp_path / f"{kind}.glb").faces) == 12


PACKAGES: dict[tuple[str, str], tuple[str, Callable[[], bytes]]] = {
    ("pxr.UsdGeom", "usd"): (".usda", usd),
    ("collada", "dae"): (".dae", dae),
    ("assimp_py", "fbx"): (".fbx", fbx),
    ("DracoPy", "decoders"): (".glb", PACKED["draco"]),
    ("meshopt", "decoders"): (".glb", PACKED["meshopt"]),
    ("opengl_basisu", "decoders"): (".glb", PACKED["ktx2 uastc"]),
}


@pytest.mark.parametrize(("module", "extra"), PACKAGES)
def test_what_is_not_installed_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, module: str, extra: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The cure is an extra that there is; a compressed model is imported all the same."""
    suffix, write = PACKAGES[module, extra]
    content = write()
    monkeypatch.setitem(sys.modules, module, None)
    cure = f"pip install 'meshseek[{extra}]'"
    if suffix == ".glb":
        with caplog.at_level(logging.WARNING):
            _, path = imported(tmp_path, content, suffix)
        assert cure in caplog.text
        with pytest.raises(UnreadableAssetError) as refused:
            load_model(path)
    else:
        with pytest.raises(UnreadableAssetError) as refused:
            imported(tmp_path, content, suffix)
    assert cure in str(refused.value)
    assert "\n" not in str(refused.value)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert extra in extras


def test_a_usd_file_takes_only_what_lies_in_its_library(tmp_path: Path) -> None:
    """A reference beside it is followed; one out of the library, or to an absolute path, shows nothing."""
    library = tmp_path / "library"
    library.mkdir()
    (tmp_path / "outside.usda").write_bytes(usd())
    (library / "part.usda").write_bytes(usd())
    head = '#usda 1.0\n(\n    metersPerUnit = 1\n    upAxis = "Y"\n)\n'
    for name, target in {
        "good": "./part.usda",
        "up": "../outside.usda",
        "absolute": str(tmp_path / "outside.usda"),
    }.items():
        (library / f"{name}.usda").write_text(f'{head}def "here" (\n    references = @{target}@\n)\n{{\n}}\n')
    timed = usd().replace(b"points = [", b"points.timeSamples = {0: [").replace(b")]\n", b")]}\n", 1)
    (tmp_path / "timed.usda").write_bytes(timed)
    (library / "clips.usda").write_bytes(clips_in_a_variant(str(tmp_path / "timed.usda")))
    dataset = Folder(DatasetOptions(path=library))
    entries = {entry.asset_id: entry for entry in dataset.entries()}
    assert dataset.read(entries["good"], tmp_path / "models").attributes["faces"] == 12
    for name in ("up", "absolute", "clips"):
        with pytest.raises(UnreadableAssetError, match="it has no faces"):
            dataset.read(entries[name], tmp_path / "models")


@pytest.mark.parametrize("how", ["references", "payload", "subLayers"])
def test_a_picture_of_a_usd_part_is_looked_for_beside_the_part(tmp_path: Path, how: str) -> None:
    """Where the layer lies that names it, not where the file lies that is made of that layer."""
    parts = tmp_path / "library" / "parts"
    (parts / "tex").mkdir(parents=True)
    (parts / "tex" / "wood.png").write_bytes(png())
    (parts / "part.usda").write_text(TEXTURED)
    part = f"{how} = @parts/part.usda@"
    whole = "(subLayers = [@parts/part.usda@])" if how == "subLayers" else f'def "a" (instanceable = true\n{part}) {{}}'
    _, path = imported(tmp_path, f"#usda 1.0\n{whole}\n".encode(), ".usda")
    assert [material.texture is not None for material in load_model(path).materials] == [True]


def test_the_former_name_is_still_known(tmp_path: Path) -> None:
    """To the command line, and to workspaces in which a library was imported by it; its name and ids stay."""
    folder, workspace = tmp_path / "models", tmp_path / "workspace"
    folder.mkdir()
    (folder / "box.stl").write_bytes(exported("stl"))
    options = ["--workspace", str(workspace), "--json"]
    runner = CliRunner()
    assert runner.invoke(main, ["import", "glb_folder", str(folder), *options]).exit_code == 0
    libraries = Workspace(workspace).libraries
    (library,) = libraries.all()
    assert (library.name, library.dataset, library.unit) == ("folder-models", "folder", None)
    libraries.save(replace(library, dataset="glb_folder", name="glb_folder-models"), libraries.listing(library))
    libraries.remove(library)
    again = runner.invoke(main, ["import", "folder", str(folder), "--unit", "m", "--up", "y", *options])
    assert again.exit_code == 0, again.output
    (library,) = Workspace(workspace).libraries.all()
    assert (library.name, library.dataset, library.unit, library.up) == ("glb_folder-models", "folder", "m", "y")
    (asset,) = Workspace(workspace).assets()
    assert asset.asset_id == "box"
    assert asset.attributes["size"]["height"] == pytest.approx(2)
    assert library.said == {"unit": "m", "up": "y"}  # which an update says again


def test_a_model_that_was_left_compressed_is_decoded_by_an_import_that_verifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its decoder is there; an import that does not look at models leaves it."""
    folder, workspace = tmp_path / "models", tmp_path / "workspace"
    folder.mkdir()
    (folder / "box.glb").write_bytes(PACKED["meshopt"]())
    command = ["import", "folder", str(folder), "--workspace", str(workspace), "--json"]
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding" / "meshopt.py").write_text("raise ImportError\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path / "hiding")  # workers look there as well
        assert CliRunner().invoke(main, command).exit_code == 0
    found = Workspace(workspace)
    (asset,) = found.assets()
    assert read_glb(found.models / str(asset.model)).tree.compression() == "meshopt"
    assert CliRunner().invoke(main, [*command, "--verify"]).exit_code == 0
    (asset,) = found.assets()
    assert read_glb(found.models / str(asset.model)).tree.compression() is None
