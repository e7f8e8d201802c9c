"""glTF files as GLB: looked at, or packed together, but never changed in what they show."""

from __future__ import annotations

import base64
import json
import mimetypes
import struct
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshseek.meshes.glb import encode_glb
from meshseek.meshes.model_files import ModelFiles

_HEADER = 20
_TRIANGLES = 4


def count_faces_of_glb(path: Path) -> int:
    """Check a GLB by its headers, and count its triangles.

    Raises:
        ValueError: It is not a whole GLB 2.0 file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER)
        if len(head) < _HEADER or head[:4] != b"glTF":
            raise ValueError("it is not a GLB file")
        version, length, json_length, json_type = struct.unpack("<IIII", head[4:])
        if version != 2:  # noqa: PLR2004 - the version that everybody writes
            raise ValueError(f"it is glTF version {version}; save it as glTF 2.0")
        if length > size or _HEADER + json_length > length:
            raise ValueError(f"it is cut off ({size:,} of {max(length, _HEADER + json_length):,} bytes)")
        if json_type != int.from_bytes(b"JSON", "little"):
            raise ValueError("its first chunk is not JSON")
        return count_faces(json.loads(file.read(json_length)))


def count_faces(tree: Any) -> int:
    """Count the triangles of all meshes.

    Raises:
        ValueError: The tree is not glTF, or holds no triangle.
    """
    try:
        primitives = [primitive for mesh in tree.get("meshes", ()) for primitive in mesh["primitives"]]
        accessors = [
            tree["accessors"][primitive.get("indices", primitive["attributes"]["POSITION"])]
            for primitive in primitives
            if primitive.get("mode", _TRIANGLES) >= _TRIANGLES
        ]
        faces = sum(int(accessor["count"]) // 3 for accessor in accessors)
    except (AttributeError, TypeError, LookupError) as error:
        raise ValueError(f"its glTF structure is damaged ({type(error).__name__}: {error})") from error
    if not faces:
        raise ValueError("it has no faces")
    return faces


def pack_gltf(text: bytes, files: ModelFiles) -> tuple[bytes, int]:
    """Pack a ``.gltf`` with its buffers and pictures into one GLB.

    Returns:
        The GLB, and the number of its triangles.

    Raises:
        ValueError: It is damaged, or one of its files is missing.
    """
    tree = json.loads(text)
    faces = count_faces(tree)
    try:
        binary = _pack(tree, files)
    except (AttributeError, TypeError, LookupError) as error:
        raise ValueError(f"its glTF structure is damaged ({type(error).__name__}: {error})") from error
    return encode_glb(tree, binary), faces


def _pack(tree: dict[str, Any], files: ModelFiles) -> bytes:
    binary = bytearray()
    starts = []
    for buffer in tree.get("buffers", ()):
        starts.append(len(binary))
        _append(binary, _load(buffer, files)[: buffer["byteLength"]])
    views = tree.setdefault("bufferViews", [])
    for view in views:
        view["byteOffset"] = view.get("byteOffset", 0) + starts[view["buffer"]]
        view["buffer"] = 0
    for image in tree.get("images", ()):
        if "uri" in image:
            data = _load(image, files)
            image["mimeType"] = _mime(image)
            del image["uri"]
            image["bufferView"] = len(views)
            views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
            _append(binary, data)
    tree["buffers"] = [{"byteLength": len(binary)}]
    return bytes(binary)


def _append(binary: bytearray, data: bytes) -> None:
    binary += data + bytes(-len(data) % 4)


def _load(owner: Mapping[str, Any], files: ModelFiles) -> bytes:
    uri = owner["uri"]
    if uri.startswith("data:"):
        return base64.b64decode(uri.partition(",")[2])
    data = files.find(urllib.parse.unquote(uri))
    if data is None:
        raise ValueError(f"its file '{uri}' is missing")
    return data


def _mime(image: Mapping[str, Any]) -> str:
    if "mimeType" in image:
        return str(image["mimeType"])
    uri = image["uri"]
    if uri.startswith("data:"):
        return str(uri[5:].partition(";")[0])
    return mimetypes.guess_type(uri)[0] or "image/png"
