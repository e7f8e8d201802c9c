"""glTF and GLB models: absurd sizes, circles, claims, and addresses of what is not theirs."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from typing import Any

from tests.hostile import pictures

JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
CORNERS = struct.pack("<12f", 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0)
FACES = struct.pack("<6H", 0, 1, 2, 0, 2, 3)
BINARY = CORNERS + FACES


def tree(**changes: Any) -> dict[str, Any]:
    """A square, with some of its tables replaced."""
    plain: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": 4},
            {"bufferView": 1, "componentType": 5123, "type": "SCALAR", "count": 6},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": len(CORNERS)},
            {"buffer": 0, "byteOffset": len(CORNERS), "byteLength": len(FACES)},
        ],
        "buffers": [{"byteLength": len(BINARY)}],
    }
    return {**plain, **changes}


def glb(value: Any, binary: bytes = BINARY, **header: int) -> bytes:
    """Put a tree, or bytes that are none, and numbers into a GLB, with some fields of its header replaced."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    numbers = struct.pack("<II", header.get("numbers", len(binary)), BINARY_CHUNK) + binary
    chunks = struct.pack("<II", header.get("json", len(text)), header.get("kind", JSON_CHUNK)) + text + numbers
    return struct.pack("<4sII", b"glTF", header.get("version", 2), header.get("length", 12 + len(chunks))) + chunks


def gltf(value: Mapping[str, Any]) -> bytes:
    """A tree with its numbers inside."""
    uri = "data:application/octet-stream;base64," + base64.b64encode(BINARY).decode()
    buffers = [{"uri": uri, **row} for row in value.get("buffers", [])]
    return json.dumps({**value, "buffers": buffers}).encode()


def cases() -> dict[str, dict[str, bytes | None]]:
    """Files by case; the first is the model."""
    cases: dict[str, dict[str, bytes | None]] = {}
    for name, data in {**_containers(), **_trees(), **_pictures()}.items():
        cases[f"glb-{name}"] = {"a.glb": data}
    for name, data in _texts().items():
        cases[f"gltf-{name}"] = {"a.gltf": data}
    called = gltf(tree(buffers=[{"byteLength": len(BINARY), "uri": "a.bin"}]))
    cases["gltf-buffer-is-a-pipe"] = {"a.gltf": called, "a.bin": None}
    return cases


def _containers() -> dict[str, bytes]:
    whole = glb(tree())
    return {
        "empty": b"",
        "only-magic": b"glTF",
        "cut": whole[: len(whole) // 2],
        "cut-in-numbers": whole[:-20],
        "longer-than-it-is": glb(tree(), length=2**32 - 1),
        "shorter-than-it-is": glb(tree(), length=20),
        "structure-of-4-gb": glb(tree(), json=2**32 - 1),
        "numbers-of-4-gb": glb(tree(), numbers=2**32 - 1),
        "chunks-swapped": glb(tree(), kind=BINARY_CHUNK),
        "version-1": glb(tree(), version=1),
        "version-of-4-billion": glb(tree(), version=2**32 - 1),
        "no-json": glb(b"{"),
        "deep-json": glb(b"[" * 100_000 + b"]" * 100_000),
        "deep-extras": glb(json.dumps(tree())[:-1].encode() + b',"extras":' + b"[" * 900 + b"]" * 900 + b"}"),
        "huge-number": glb(json.dumps(tree(scene=0))[:-1].encode() + b',"x":' + b"9" * 10_000 + b"}"),
        "not-a-number": glb(json.dumps(tree(nodes=[{"mesh": 0, "translation": [float("nan")] * 3}])).encode()),
        "same-key-often": glb(b"{" + b'"asset":{"version":"2.0"},' * 50_000 + json.dumps(tree())[1:].encode()),
        "invalid-utf8": glb(b'{"asset":{"version":"\xff"}}'),
        "zip-behind": whole + pictures.cases()["zip"],
    }


def _accessor(**changes: Any) -> dict[str, Any]:
    first, second = tree()["accessors"]
    return tree(accessors=[{**first, **changes}, second])


def _trees() -> dict[str, bytes]:
    view = {"buffer": 0, "byteOffset": 0, "byteLength": len(CORNERS)}
    second = tree()["bufferViews"][1]
    trees: dict[str, Any] = {
        "count-of-100-million": _accessor(count=100_000_000),
        "count-beyond-all": _accessor(count=2**63),
        "negative-count": _accessor(count=-4),
        "no-count": _accessor(count=0),
        "negative-offset": _accessor(byteOffset=-12),
        "unknown-type": _accessor(componentType=5130),
        "sparse-of-a-billion": _accessor(sparse={"count": 10**9, "indices": {"bufferView": 9}, "values": {}}),
        "sparse-only": tree(
            accessors=[
                {"componentType": 5126, "type": "VEC3", "count": 50_000_000, "sparse": {"count": 1}},
                tree()["accessors"][1],
            ]
        ),
        "view-beyond-buffer": tree(bufferViews=[{**view, "byteLength": 2**40}, second]),
        "view-negative": tree(bufferViews=[{**view, "byteOffset": -1}, second]),
        "stride-huge": tree(bufferViews=[{**view, "byteStride": 2**31}, second]),
        "buffer-of-a-terabyte": tree(buffers=[{"byteLength": 2**40}]),
        "circle-of-nodes": tree(nodes=[{"mesh": 0, "children": [1]}, {"children": [0]}]),
        "node-its-own-child": tree(nodes=[{"mesh": 0, "children": [0]}]),
        "deep-nodes": tree(nodes=[*({"children": [n + 1]} for n in range(1_500)), {"mesh": 0}]),
        "diamond-of-nodes": tree(nodes=[*({"children": [n + 1, n + 1]} for n in range(60)), {"mesh": 0}]),
        "wide-nodes": tree(
            nodes=[{"children": list(range(1, 2_001))}, *[{"mesh": 0}] * 2_000], scenes=[{"nodes": [0]}]
        ),
        "scene-of-many": tree(scenes=[{"nodes": [0] * 20_000}]),
        "many-primitives": tree(meshes=[{"primitives": tree()["meshes"][0]["primitives"] * 2_000}]),
        "many-meshes": tree(meshes=tree()["meshes"] * 2_000),
        "many-accessors": tree(accessors=tree()["accessors"] * 2_000),
        "skin-of-nobody": tree(nodes=[{"mesh": 0, "skin": 0}], skins=[{"joints": [10**9]}]),
        "skin-of-all": tree(nodes=[{"mesh": 0, "skin": 0}], skins=[{"joints": [0] * 100_000}]),
        "zero-scale": tree(nodes=[{"mesh": 0, "scale": [0, 0, 0]}]),
        "huge-scale": tree(nodes=[{"mesh": 0, "scale": [1e300, 1e300, 1e300]}]),
        "matrix-of-nothing": tree(nodes=[{"mesh": 0, "matrix": [0] * 16}]),
        "lines": tree(meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "mode": 1}]}]),
        "fan": tree(meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": 6}]}]),
        "strip": tree(meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": 5}]}]),
        "animations-of-many": tree(animations=[{"channels": [{}] * 100_000, "samplers": "x"}]),
        "morphs-of-many": tree(
            meshes=[
                {"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "targets": [{"POSITION": 0}] * 50_000}]}
            ]
        ),
        "names-of-a-megabyte": tree(nodes=[{"mesh": 0, "name": "n" * 1_000_000}]),
        "names-that-turn": tree(nodes=[{"mesh": 0, "name": "\u202e\x1b[2J\ud800"}], meshes=tree()["meshes"]),
        "draco": tree(extensionsRequired=["KHR_draco_mesh_compression"]),
        "draco-lies": tree(
            meshes=[
                {
                    "primitives": [
                        {
                            "attributes": {"POSITION": 0},
                            "indices": 1,
                            "extensions": {
                                "KHR_draco_mesh_compression": {"bufferView": 99, "attributes": {"POSITION": 0}}
                            },
                        }
                    ]
                }
            ]
        ),
        "meshopt": tree(extensionsRequired=["EXT_meshopt_compression"]),
        "basis": tree(extensionsRequired=["KHR_texture_basisu"]),
        "unknown-extensions": tree(extensionsRequired=["X" * 1000] * 1000, extensionsUsed=["Y"]),
    }
    cases = {name: glb(value) for name, value in trees.items()}
    nothing = struct.pack("<12f", *[float("nan"), float("inf"), 3e38] * 4)
    cases["numbers-that-are-none"] = glb(tree(), nothing + FACES)
    cases["faces-far-away"] = glb(tree(), CORNERS + struct.pack("<6H", *[65535] * 6))
    return cases


def _pictures() -> dict[str, bytes]:
    """Models with pictures that are none."""
    cases = {}
    for name, data in pictures.textures().items():
        cases[f"texture-{name}"] = glb(_with_pictures(1, len(data)), BINARY + data)
    bomb = pictures.textures()["png-bomb"]
    cases["textures-of-many-pixels"] = glb(_with_pictures(12, len(bomb)), BINARY + bomb)
    return cases


def _with_pictures(count: int, size: int) -> dict[str, Any]:
    view = {"buffer": 0, "byteOffset": len(BINARY), "byteLength": size}
    materials = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": number}}} for number in range(count)]
    primitives = [{"attributes": {"POSITION": 0}, "indices": 1, "material": number} for number in range(count)]
    return tree(
        meshes=[{"primitives": primitives}],
        materials=materials,
        textures=[{"source": number} for number in range(count)],
        images=[{"bufferView": 2, "mimeType": "image/png"}] * count,
        bufferViews=[*tree()["bufferViews"], view],
        buffers=[{"byteLength": len(BINARY) + size}],
    )


def _texts() -> dict[str, bytes]:
    outside = {
        "above": "../../../../../../etc/passwd",
        "above-encoded": "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "absolute": "/etc/passwd",
        "file-address": "file:///etc/passwd",
        "http-address": "http://127.0.0.1:9/a.bin",
        "unc-address": "\\\\127.0.0.1\\share\\a.bin",
        "device": "/dev/zero",
        "nul": "a\0b",
        "long-name": "n" * 10_000,
    }
    cases = {f"buffer-{name}": gltf(tree(buffers=[{"byteLength": 60, "uri": uri}])) for name, uri in outside.items()}
    for name in ("above", "file-address", "http-address", "device"):
        cases[f"picture-{name}"] = gltf(tree(images=[{"uri": outside[name]}]))
    return cases | {
        "data-no-base64": gltf(tree(buffers=[{"byteLength": 60, "uri": "data:;base64,!!!!"}])),
        "data-cut": gltf(tree(buffers=[{"byteLength": 60, "uri": "data:;base64,QUJD"}])),
        "data-html": gltf(tree(images=[{"uri": "data:text/html,<script>alert(1)</script>"}])),
        "data-of-5-mb": gltf(tree(images=[{"uri": "data:image/png;base64," + "A" * 5_000_000}])),
        "many-data": gltf(tree(buffers=tree()["buffers"] * 5_000)),
        "itself": gltf(tree(images=[{"uri": "a.gltf"}] * 100)),
        "deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "list": b"[]",
        "version-1": json.dumps({"meshes": {"a": {"primitives": []}}}).encode(),
        "bom": b"\xef\xbb\xbf" + gltf(tree()),
        "utf16": json.dumps(tree()).encode("utf-16"),
    }
