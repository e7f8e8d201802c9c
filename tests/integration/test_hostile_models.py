"""Models that are damaged, of another version, or made to harm: each is read, or skipped with one plain sentence."""

from __future__ import annotations

import base64
import copy
import json
import re
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin
from tests.model_libraries import CUBE, make_sh3f, png

from meshseek.datasets import Dataset, DatasetOptions
from meshseek.datasets.folder import Folder
from meshseek.datasets.sweethome3d import Sweethome3d
from meshseek.errors import UnreadableAssetError
from meshseek.renderers.embree import Embree

JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
PYTHON = re.compile(
    r"Error|Exception|Traceback|NoneType|\b(None|True|False|dict|tuple|str|int|float|self)\b"
    r"|object|literal|out of range|<class|0x|Errno|codec"
)
CURE = re.compile(r"; (export|save|copy|put|check|convert|reduce|fix|import)\b[^;]*$")

Path_ = tuple[str | int, ...]


def assert_plain(message: str) -> None:
    """One line, in the reader's language, that ends in what to do."""
    assert "\n" not in message
    assert not PYTHON.search(message), message
    assert CURE.search(message), message


def outcome(dataset: Dataset, folder: Path) -> str | None:
    """Import and render one asset: None, or why it was skipped, without the name of the folder."""
    try:
        asset = dataset.read(next(iter(dataset.entries())), folder / "models")
        assert asset.model is not None
        Embree(views=1, size=16).render(folder / "models" / asset.model, folder / "views")
    except UnreadableAssetError as error:
        return str(error).replace(str(folder), "")
    return None


def outcome_of_file(name: str, data: bytes) -> str | None:
    """Import and render a library of one file."""
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "library"
        library.mkdir()
        (library / name).write_bytes(data)
        return outcome(Folder(DatasetOptions(path=library)), Path(temporary))


def tree() -> tuple[dict[str, Any], bytes]:
    """A glTF of all that is read, and its buffer: two nodes, indices, normals, colours, a texture, each alpha mode."""
    corners = struct.pack("<12f", 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0)
    normals = struct.pack("<12f", *(0, 0, 1) * 4)
    uv = struct.pack("<8f", 0, 0, 1, 0, 1, 1, 0, 1)
    colours, faces, picture = bytes([200] * 16), struct.pack("<6H", 0, 1, 2, 0, 2, 3), png()
    parts = [corners, normals, uv, colours, faces, picture]
    starts = [sum(len(part) for part in parts[:number]) for number in range(len(parts))]
    views = [
        {"buffer": 0, "byteOffset": start, "byteLength": len(part)} for start, part in zip(starts, parts, strict=True)
    ]
    kinds = [(5126, "VEC3", 4), (5126, "VEC3", 4), (5126, "VEC2", 4), (5121, "VEC4", 4), (5123, "SCALAR", 6)]
    plain = {"attributes": {"POSITION": 0}, "indices": 4, "material": 1}
    rich = {"attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2, "COLOR_0": 3}, "indices": 4, "material": 0}
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [
            {"mesh": 0, "children": [1], "translation": [0, 0, 1], "rotation": [0, 0, 0, 1], "scale": [1, 1, 1]},
            {"mesh": 1, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]},
        ],
        "meshes": [{"primitives": [rich]}, {"primitives": [plain, {**plain, "mode": 4}]}],
        "materials": [
            {
                "pbrMetallicRoughness": {
                    "baseColorFactor": [1, 0.5, 0.5, 0.5],
                    "baseColorTexture": {"index": 0},
                    "metallicFactor": 0.5,
                    "roughnessFactor": 0.5,
                },
                "emissiveFactor": [0.1, 0, 0],
                "emissiveTexture": {"index": 0},
                "alphaMode": "BLEND",
            },
            {
                "alphaMode": "MASK",
                "alphaCutoff": 0.5,
                "extensions": {"KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [1, 0, 0, 1]}},
            },
        ],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 5, "mimeType": "image/png"}],
        "accessors": [
            {"bufferView": number, "componentType": component, "type": kind, "count": count}
            for number, (component, kind, count) in enumerate(kinds)
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": sum(map(len, parts))}],
        "extensionsRequired": [],
    }, b"".join(parts)


def as_glb(value: Any, binary: bytes, version: int = 2) -> bytes:
    """Put JSON and a buffer into a GLB, whatever they are."""
    text = json.dumps(value).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    chunks = struct.pack("<II", len(text), JSON_CHUNK) + text + struct.pack("<II", len(binary), BINARY_CHUNK) + binary
    return struct.pack("<4sII", b"glTF", version, 12 + len(chunks)) + chunks


def as_gltf(value: Any, binary: bytes) -> bytes:
    """Put JSON and a buffer into a .gltf."""
    uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    if isinstance(value, dict) and isinstance(buffers := value.get("buffers"), list):
        value = {**value, "buffers": [{"uri": uri, **row} if isinstance(row, dict) else row for row in buffers]}
    return json.dumps(value).encode()


def places(value: Any, above: Path_ = ()) -> Iterator[Path_]:
    """The path of every value in a JSON tree."""
    yield above
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*above, key))


def replaced(value: Any, place: Path_, new: Any) -> Any:
    """The tree with another value at a place; with nothing there for ``...``."""
    if not place:
        return None if new is ... else new
    value = copy.deepcopy(value)
    holder = value
    for key in place[:-1]:
        holder = holder[key]
    if new is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = new
    return value


TREE, BINARY = tree()
NUMBERS = [0, -1, 1, 5, 7, 1.5, 1e308, float("nan"), 10**7, 10**12, 2**63, 10**400]
TEXTS = ["", "x", "2.0", "\ud800", "data:;base64,!"]
TREES = [[], [0], [None], [[]], [-1, 9], {}, {"x": 1}, {"POSITION": 1}]
OTHERS = st.sampled_from([..., None, True, *NUMBERS, *TEXTS, *TREES])


def test_the_model_that_is_damaged_below_is_whole() -> None:
    """The tree itself is read and rendered in both formats."""
    assert outcome_of_file("a.glb", as_glb(TREE, BINARY)) is None
    assert outcome_of_file("a.gltf", as_gltf(TREE, BINARY)) is None


@given(
    st.lists(st.tuples(st.sampled_from(sorted(places(TREE), key=str)), OTHERS), min_size=1, max_size=2), st.booleans()
)
@settings(max_examples=400, deadline=None)
def test_any_value_in_a_gltf_may_be_another(changes: list[tuple[Path_, Any]], packed: bool) -> None:  # noqa: FBT001
    """Whatever stands in the place of whatever, the model is read, or skipped with one plain sentence."""
    value: Any = TREE
    for place, new in changes:
        if place in set(places(value)):
            value = replaced(value, place, new)
    reason = (
        outcome_of_file("a.glb", as_glb(value, BINARY)) if packed else outcome_of_file("a.gltf", as_gltf(value, BINARY))
    )
    if reason is not None:
        assert_plain(reason)


@given(st.integers(0, len(as_glb(TREE, BINARY)) - 1), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_any_byte_of_a_glb_may_be_another(place: int, byte: int) -> None:
    """One wrong byte, or an end before it, is read or told in one plain sentence."""
    data = as_glb(TREE, BINARY)
    for damaged in (data[:place], data[:place] + bytes([byte]) + data[place + 1 :]):
        reason = outcome_of_file("a.glb", damaged)
        if reason is not None:
            assert_plain(reason)


GLTF_1 = {
    "asset": {"version": "1.0"},
    "meshes": {"mesh": {"primitives": [{"attributes": {"POSITION": "accessor"}}]}},
    "accessors": {"accessor": {"count": 3}},
}
DRACO = {
    **TREE,
    "extensionsRequired": ["KHR_draco_mesh_compression"],
    "accessors": [{key: value for key, value in row.items() if key != "bufferView"} for row in TREE["accessors"]],
}
WHOLE = as_glb(TREE, BINARY)
SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\n"
REASONS: dict[str, tuple[str, bytes, str]] = {
    "glTF 1.0": ("a.gltf", json.dumps(GLTF_1).encode(), "it is glTF 1.0; save it as glTF 2.0"),
    "glTF 1.0 that does not say so": (
        "a.gltf",
        json.dumps({"meshes": GLTF_1["meshes"]}).encode(),
        "it is glTF 1.0; save it as glTF 2.0",
    ),
    "binary glTF 1.0": ("a.glb", as_glb(GLTF_1, b"", 1), "it is glTF 1; save it as glTF 2.0"),
    "cut off in its numbers": ("a.glb", WHOLE[:-99], "it is cut off"),
    "cut off in its header": ("a.glb", WHOLE[:15], "it is not a GLB file"),
    "no JSON": ("a.gltf", b"{", "its JSON is damaged"),
    "a thousand arrays": ("a.gltf", b"[" * 100_000, "its JSON is damaged"),
    "a list": ("a.gltf", b"[]", "its glTF structure is damaged; export it again"),
    "Draco": ("a.glb", as_glb(DRACO, BINARY), "some of its numbers are neither there nor compressed"),
    "Draco that does not say so": (
        "a.glb",
        as_glb({**DRACO, "extensionsRequired": []}, BINARY),
        "some of its numbers are not in plain buffers; export it without compression",
    ),
    "buffer elsewhere": (
        "a.glb",
        as_glb({**TREE, "buffers": [{"byteLength": len(BINARY), "uri": "a.bin"}]}, BINARY),
        "its data is in another file, 'a.bin'; export it as one GLB",
    ),
    "short buffer": (
        "a.glb",
        as_glb({**TREE, "buffers": [{"byteLength": 10**6}]}, BINARY),
        "its data is cut off",
    ),
    "points only": ("a.glb", trimesh.PointCloud([[0, 0, 0]]).export(file_type="glb"), "it has no faces"),  # type: ignore[no-untyped-call]
    "empty OBJ": ("a.obj", b"", "it has no faces; export it with faces"),
    "OBJ without such a vertex": (
        "a.obj",
        f"{SQUARE}f 1 2 9\n".encode(),
        "a face names a vertex that does not",
    ),
    "OBJ with words for numbers": ("a.obj", f"{SQUARE}f 1 2 three\n".encode(), "does not hold the numbers"),
    "OBJ with words for a point": ("a.obj", b"v a b c\n" + CUBE.encode(), "does not hold the numbers"),
    "OBJ with a huge number": ("a.obj", f"{SQUARE}f 1 2 {10**30}\n".encode(), "does not hold the numbers"),
    "OBJ at infinity": ("a.obj", b"v inf 0 0\nv 0 1 0\nv 1 1 0\nf 1 2 3\n", "is not a finite point"),
    "binary OBJ": ("a.obj", bytes(range(256)) * 9, "it has no faces"),
}


@pytest.mark.parametrize(("name", "data", "reason"), REASONS.values(), ids=REASONS.keys())
def test_the_reason_names_the_damage_and_the_cure(name: str, data: bytes, reason: str) -> None:
    """What is wrong is said as it is, and what helps against it."""
    told = outcome_of_file(name, data)
    assert told is not None
    assert reason in told
    assert_plain(told)


@pytest.mark.parametrize("name", ["EXT_meshopt_compression", "KHR_texture_basisu"])
def test_what_only_says_that_it_is_compressed_is_shown(name: str) -> None:
    """All of it is there."""
    assert outcome_of_file("a.glb", as_glb({**TREE, "extensionsRequired": [name]}, BINARY)) is None


def test_a_compressed_model_is_imported_all_the_same(tmp_path: Path) -> None:
    """It has captions to be searched by, though it cannot be rendered."""
    (tmp_path / "red_chair.glb").write_bytes(as_glb(DRACO, BINARY))
    dataset = Folder(DatasetOptions(path=tmp_path))
    assert dataset.read(next(dataset.entries()), tmp_path / "models").captions_english == ("red chair",)


def test_a_camera_hides_no_mesh() -> None:
    """What hangs on a camera is shown; cameras, names and extras are not even looked at."""
    camera = {"type": "orthographic"}
    nodes = [{"camera": 0, "children": [1], "name": 7, "extras": [1]}, {"mesh": 0, "name": "world"}]
    value = {**TREE, "nodes": nodes, "cameras": [camera], "animations": "none", "skins": None}
    assert outcome_of_file("a.glb", as_glb(value, BINARY)) is None


def test_what_others_forgive_is_forgiven() -> None:
    """A stride of 0, a chunk of an unknown kind and too small a total are read as other programs read them."""
    views = [{**row, "byteStride": 0} for row in TREE["bufferViews"]]
    assert outcome_of_file("a.glb", as_glb({**TREE, "bufferViews": views}, BINARY)) is None
    first = 20 + struct.unpack_from("<I", WHOLE, 12)[0]
    assert outcome_of_file("a.glb", WHOLE[:first] + struct.pack("<II", 4, 7) + b"note" + WHOLE[first:]) is None
    assert outcome_of_file("a.glb", WHOLE[:8] + struct.pack("<I", first) + WHOLE[12:]) is None


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
showpage
%%EOF
"""


def test_a_texture_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An EPS that is called a PNG would be given to Ghostscript; it is a texture that is missing."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "bin" / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    library = tmp_path / "library"
    library.mkdir()
    (library / "a.obj").write_text("mtllib a.mtl\n" + CUBE.partition("\n")[2])
    (library / "a.mtl").write_text("newmtl paint\nmap_Kd a.png\n")
    (library / "a.png").write_bytes(EPS)
    binary = BINARY + EPS
    view = {"buffer": 0, "byteOffset": len(BINARY), "byteLength": len(EPS)}
    value = {**TREE, "bufferViews": [*TREE["bufferViews"][:5], view], "buffers": [{"byteLength": len(binary)}]}
    assert outcome(Folder(DatasetOptions(path=library)), tmp_path) is None
    assert outcome_of_file("a.glb", as_glb(value, binary)) is None
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pack/cube/cube__obj": b"f 1 2 3"}, "a face names a vertex"),
        (
            {"PluginFurnitureCatalog__properties": b"id#1=a\nmodel#1=/gone.obj\nwidth#1=1\ndepth#1=1\nheight#1=1\n"},
            "missing",
        ),
        (
            {"PluginFurnitureCatalog__properties": b"id#1=a\nmodel#1=/a.dae\nwidth#1=1\ndepth#1=1\nheight#1=1\n"},
            "only OBJ",
        ),
        (
            {"PluginFurnitureCatalog__properties": b"id#1=a\nmodel#1=/pack/cube/cube.obj\nwidth#1=wide\n"},
            "no valid size",
        ),
    ],
)
def test_furniture_is_skipped_in_plain_words(tmp_path: Path, changes: dict[str, bytes], reason: str) -> None:
    """An item that cannot be read says why, and what helps."""
    told = outcome(Sweethome3d(DatasetOptions(path=make_sh3f(tmp_path / "a.sh3f", **changes))), tmp_path)
    assert told is not None
    assert reason in told
    assert_plain(told)


def test_a_damaged_zip_is_told_in_plain_words(tmp_path: Path) -> None:
    """Wrong bytes in a member of a library skip its items."""
    library = make_sh3f(tmp_path / "a.sh3f")
    entry = next(iter(Sweethome3d(DatasetOptions(path=library)).entries()))
    library.write_bytes(library.read_bytes().replace(b"usemtl paint", b"usemtl\xffpaint"))
    with pytest.raises(UnreadableAssetError) as caught:
        Sweethome3d(DatasetOptions(path=library)).read(entry, tmp_path / "models")
    assert_plain(str(caught.value).replace(str(tmp_path), ""))
