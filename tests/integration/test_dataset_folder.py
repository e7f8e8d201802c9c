"""Folders of GLB, glTF and OBJ models with captions files, whole and damaged."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trimesh
from tests.model_libraries import CUBE, PAINT, png, read_all, tree_of

from meshseek.datasets import DatasetOptions
from meshseek.datasets.folder import Folder
from meshseek.errors import DatasetError, UnreadableAssetError


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Where models are put."""
    return tmp_path / "workspace" / "models"


def gltf(**changes: Any) -> bytes:
    """Write a glTF of one triangle, or a damaged one."""
    tree: Mapping[str, Any] = {
        "asset": {"version": "2.0"},
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36, "uri": "data:application/octet-stream;base64," + "A" * 48}],
    }
    return json.dumps({**tree, **changes}).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of models in each format, one of them twice, and with one that is cut off."""
    root = tmp_path / "folder"
    (root / "sub" / "tex").mkdir(parents=True)
    trimesh.creation.box().export(root / "sub" / "red_chair-02.glb")
    (root / "cut.glb").write_bytes((root / "sub" / "red_chair-02.glb").read_bytes()[:-8])
    (root / "cup.obj").write_text(CUBE)
    (root / "cube.mtl").write_text(PAINT.replace("C:\\Textures\\", "sub\\tex\\"))
    (root / "sub" / "tex" / "wood.png").write_bytes(png())
    (root / "cup.gltf").write_bytes(
        gltf(buffers=[{"byteLength": 36, "uri": "my%20cup.bin"}], images=[{"uri": "sub/tex/wood.png"}])
    )
    (root / "my cup.bin").write_bytes(bytes(38))
    (root / ".hidden.glb").write_bytes(b"")
    return root


def test_folder_of_models(folder: Path, models: Path) -> None:
    """GLB files are linked, others converted; ids are paths, and files that share one keep their suffix."""
    dataset = Folder(DatasetOptions(path=folder))
    entries = {entry.asset_id: entry for entry in dataset.entries()}
    assert list(entries) == ["cup.gltf", "cup.obj", "cut", "sub/red_chair-02"]
    chair = dataset.read(entries["sub/red_chair-02"], models)
    assert (chair.captions_english, chair.attributes) == (("red chair",), {"faces": 12})
    imported, source = (place / "sub" / "red_chair-02.glb" for place in (models, folder))
    assert imported.read_bytes() == source.read_bytes()
    assert not imported.samefile(source), "a program that writes the source in place must not change the copy"
    for name, faces in (("cup.gltf", 1), ("cup.obj", 12)):
        asset = dataset.read(entries[name], models)
        assert (asset.model, asset.attributes["faces"]) == (f"{name}.glb", faces)
        tree = tree_of(models / f"{name}.glb")
        assert len(tree["images"]) == 1
        assert "uri" not in json.dumps(tree)
        assert trimesh.load_scene(models / f"{name}.glb").geometry
    with pytest.raises(UnreadableAssetError, match="cut off"):
        dataset.read(entries["cut"], models)
    assert not (models / "cut.glb").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "captions.csv",
            "\ufeffid,caption_en,caption_zh,tags,license,note\n"  # noqa: ISC004 - one text
            "sub/red_chair-02.glb,A chair,椅子,seat; red|old,CC0-1.0,\n"
            "cup.obj,A cup,,,,blue\ncup.obj,A mug,,,,\nnowhere,Lost,,,,\n",
        ),
        (
            "captions.json",
            json.dumps(
                {
                    "sub/red_chair-02": {
                        "caption_en": "A chair",
                        "caption_zh": "椅子",
                        "tags": ["seat", "red", "old"],
                        "licence": "CC0-1.0",
                    },
                    "cup.obj": {"caption": ["A cup", "A mug"], "note": "blue"},
                    "nowhere": "Lost",
                }
            ),
        ),
    ],
)
def test_folder_with_captions(
    folder: Path, tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture, name: str, text: str
) -> None:
    """Captions and attributes are found with or without suffix; ids without a model are counted in the log."""
    (folder / "cut.glb").unlink()
    (tmp_path / name).write_text(text, encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assets = read_all(Folder(DatasetOptions(path=folder, captions=tmp_path / name)), models)
    chair, cup = assets["sub/red_chair-02"], assets["cup.obj"]
    assert (chair.captions_english, chair.captions_chinese) == (("A chair",), ("椅子",))
    assert chair.attributes == {"faces": 12, "tags": ["seat", "red", "old"], "licence": "CC0-1.0"}
    assert (cup.captions_english, cup.attributes["note"]) == (("A cup", "A mug"), "blue")
    assert assets["cup.gltf"].captions_english == ()
    assert "1 ids have no model, for example nowhere" in caplog.text


def test_folder_fingerprints_follow_files_and_captions(folder: Path, tmp_path: Path) -> None:
    """A texture changes the fingerprints of the models that may use it, a caption that of its own model."""
    captions = tmp_path / "captions.json"
    options = DatasetOptions(path=folder, captions=captions)

    def fingerprints() -> dict[str, str]:
        return {entry.asset_id: entry.fingerprint for entry in Folder(options).entries()}

    captions.write_text('{"cut": "a"}')
    before = fingerprints()
    assert fingerprints() == before
    (folder / "sub" / "tex" / "wood.png").write_bytes(png(size=(9, 9)))
    captions.write_text('{"cut": "b"}')
    after = fingerprints()
    assert {name for name in before if before[name] != after[name]} == {"cup.gltf", "cup.obj", "cut"}


@pytest.mark.parametrize(
    ("part", "changed"),
    [("captions.csv", {"a.obj", "a.dae", "a.fbx", "a.usda", "b.usdc"}), ("b.usdc", {"a.usda", "b.usdc"})],
)
def test_only_formats_that_call_for_files_follow_those_around_them(
    tmp_path: Path, part: str, changed: set[str]
) -> None:
    """An STL is not imported again for a text beside it, and a layer is a part of USD files alone."""
    models = ("a.stl", "a.ply", "a.off", "a.3mf", "a.usdz", "a.obj", "a.dae", "a.fbx", "a.usda", "b.usdc")
    for name in (*models, "captions.csv"):
        (tmp_path / name).write_bytes(b"")

    def fingerprints() -> dict[str, str]:
        return {entry.file: entry.fingerprint for entry in Folder(DatasetOptions(path=tmp_path)).entries()}

    before = fingerprints()
    (tmp_path / part).write_bytes(b"more")
    after = fingerprints()
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.glb", b""),
        ("a.glb", b"glTF" + bytes(16)),
        ("a.glb", b"glTF" + struct.pack("<IIII", 2, 24, 4, 0x4E4F534A) + b"{no}"),
        ("a.glb", b"glTF" + struct.pack("<IIII", 2, 24, 4, 0x4E4F534A) + b"[]  "),
        ("a.gltf", b"{"),
        ("a.gltf", gltf(meshes=[])),
        ("a.gltf", gltf(meshes=3)),
        ("a.gltf", gltf(bufferViews=[{"buffer": 7, "byteLength": 36}])),
        ("a.gltf", gltf(buffers=[{"byteLength": 36, "uri": "gone.bin"}])),
        ("a.gltf", gltf(buffers=[{"byteLength": 36, "uri": "../secret.bin"}])),
        ("a.gltf", gltf(buffers=[{"byteLength": 36}])),
        ("a.obj", b"v 1 2 3\nf 1 1 99999999999999999999\n"),
        ("a.obj", b"v nan 2 3\nv 1 1 1\nv 0 0 0\nf 1 2 3\n"),
    ],
)
def test_damaged_models_are_unreadable_assets(tmp_path: Path, models: Path, name: str, data: bytes) -> None:
    """Whatever is wrong with one model, it is this asset's own error; no file outside the folder is taken in."""
    (tmp_path / "library").mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(36))
    (tmp_path / "library" / name).write_bytes(data)
    dataset = Folder(DatasetOptions(path=tmp_path / "library"))
    with pytest.raises(UnreadableAssetError, match="a: cannot read"):
        dataset.read(next(dataset.entries()), models)
    assert not list(tmp_path.rglob("*.part"))


def test_packed_gltf_keeps_its_triangle(tmp_path: Path, models: Path) -> None:
    """A glTF with its buffer inside becomes a GLB of the same triangle."""
    (tmp_path / "a.gltf").write_bytes(gltf())
    dataset = Folder(DatasetOptions(path=tmp_path))
    assert dataset.read(next(dataset.entries()), models).attributes == {"faces": 1}
    tree = tree_of(models / "a.glb")
    assert (tree["buffers"], tree["bufferViews"][0]["byteLength"]) == ([{"byteLength": 36}], 36)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,caption\na,b\n", "line 1: no column 'id'"),
        ("", "line 1: no column 'id'"),
        ("id,caption\na,b,c\n", "line 2: 3 columns where the header has 2"),
    ],
)
def test_csv_captions_of_folders_need_their_header(folder: Path, tmp_path: Path, text: str, message: str) -> None:
    """A CSV of another form is refused with its line."""
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        list(Folder(DatasetOptions(path=folder, captions=tmp_path / "c.csv")).entries())


def test_empty_folders_of_models(tmp_path: Path) -> None:
    """A missing folder and one without models are errors with a cure."""
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DatasetError, match="give a folder"):
            list(Folder(DatasetOptions(path=path)).entries())
