"""FBX, binary or text: what its nodes show, with unit, axis, normals, mapped pictures and colours; no poses.

The parser is given a copy of the file alone in a folder; pictures are found by their names, those in the file are lost.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.found_textures import Textures
from meshseek.meshes.glb import GlbMaterial
from meshseek.meshes.model_files import ModelFiles
from meshseek.meshes.mtl import linear
from meshseek.meshes.readers import installed
from meshseek.meshes.spaces import UPS, Up
from meshseek.meshes.surfaces import GREY, Content, Surface, count_places, material, refuse_more_nodes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BINARY: Final = b"Kaydara FBX Binary"
_SETTINGS: Final = b"GlobalSettings"
_CM: Final = 0.01
"""Metres of what the file counts its unit in."""
_NUMBERS: Final[Mapping[bytes, str]] = {b"D": "<d", b"F": "<f", b"I": "<i", b"L": "<q", b"Y": "<h"}
_MOST_PROPERTIES = 8
_OLD = "unsupported, old format version"
_DEEPEST = 200


def read_fbx(content: bytes, files: ModelFiles) -> Content:
    """What an FBX file shows.

    Raises:
        UnreadableAssetError: It is damaged, or cannot be read here.
        OSError: The disk fails.
    """
    assimp = installed("assimp_py", "fbx", "an FBX file")
    textures = Textures(files)
    with TemporaryDirectory(prefix="meshseek-fbx-") as folder:
        path = Path(folder) / "model.fbx"
        path.write_bytes(content)
        try:
            scene = assimp.import_file(str(path), assimp.Process_Triangulate)
            surfaces = list(count_places(_surfaces(scene, textures)))
        except (UnreadableAssetError, MemoryError, OSError):
            raise
        except Exception as error:  # what the parser raises is not told
            if _OLD in str(error):
                raise UnreadableAssetError("it is an FBX of before 2011; save it as FBX 2014 or newer") from error
            raise UnreadableAssetError("it is damaged; export it again") from error
    scale, axis = _setting(content, b"UnitScaleFactor"), _setting(content, b"UpAxis")
    up: Up | None = UPS[int(axis)] if axis in {0, 1, 2} else None
    return Content(
        surfaces=surfaces,
        metres=None if scale is None else scale * _CM,
        up=up,
        missing_textures=textures.missing,
    )


def _setting(content: bytes, name: bytes) -> float | None:
    """A number among the settings for the whole scene; None where there is no such one."""
    start = content.find(_SETTINGS)
    if start < 0:
        return None
    if not content.startswith(_BINARY):
        line = re.search(rb'"' + name + rb'"[^\n]*,\s*([-+.\deE]{1,40})\s*\n', content[start : start + (1 << 16)])
        return None if line is None else _finite(line[1])
    place = content.find(struct.pack("<cI", b"S", len(name)) + name, start)
    place += 5 + len(name)
    for _ in range(_MOST_PROPERTIES if place > start else 0):
        kind = content[place : place + 1]
        if kind == b"S":
            place += 5 + int.from_bytes(content[place + 1 : place + 5], "little")
        elif kind in _NUMBERS and place + 9 <= len(content):
            return _finite(struct.unpack_from(_NUMBERS[kind], content, place + 1)[0])
        else:
            return None
    return None


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _surfaces(scene: Any, textures: Textures) -> Iterator[Surface]:
    materials = [_material(row, textures) for row in scene.materials]
    meshes: dict[int, Surface | None] = {}
    for node, matrix in _nodes(scene.root_node):
        for number in node.mesh_indices:
            if number not in meshes:
                meshes[number] = _surface(scene.meshes[number], materials)
            found = meshes[number]
            if found is not None:
                yield found.placed(matrix)


def _nodes(root: Any) -> Iterator[tuple[Any, NDArray[np.float64]]]:
    """All nodes, each with the matrix (4, 4) of its place.

    The parser turns the root so that Y is up; the axis of the file is dealt with like that of others.

    Raises:
        UnreadableAssetError: They are too many, or too deep.
    """
    yield root, np.eye(4)
    waiting = [(node, np.eye(4), 1) for node in reversed(root.children)]
    places = 0
    while waiting:
        node, above, depth = waiting.pop()
        places += 1
        refuse_more_nodes(places)
        if depth > _DEEPEST:
            raise UnreadableAssetError(f"its nodes are more than {_DEEPEST} deep; join them")
        here = above @ np.array(node.transformation, np.float64)
        yield node, here
        waiting += [(child, here, depth + 1) for child in reversed(node.children)]


def _surface(mesh: Any, materials: list[GlbMaterial]) -> Surface | None:
    vertices = np.array(mesh.vertices, np.float64).reshape(-1, 3)
    faces = np.array([] if mesh.indices is None else mesh.indices, np.int64)
    if not len(faces) or len(faces) != 3 * mesh.num_faces:  # lines or points among them
        return None
    faces = faces.reshape(-1, 3)
    faces = faces[((faces >= 0) & (faces < len(vertices))).all(axis=1)]
    normals = None if mesh.normals is None else np.array(mesh.normals, np.float64).reshape(-1, 3)
    mapped = np.array(mesh.texcoords[0], np.float64).reshape(len(vertices), -1)[:, :2] if mesh.texcoords else None
    number = mesh.material_index
    return Surface(
        corners=vertices[faces],
        normals=None if normals is None or len(normals) != len(vertices) else normals[faces],
        texcoords=None if mapped is None else mapped[faces],
        material=materials[number] if 0 <= number < len(materials) else GREY,
    )


def _material(row: Mapping[str, Any], textures: Textures) -> GlbMaterial:
    names = [name for kind, found in (row.get("TEXTURES") or {}).items() if _is_colour(kind) for name in found]
    texture = textures.named(str(names[0])) if names and not str(names[0]).startswith("*") else None
    red, green, blue = (linear(float(value)) for value in (row.get("COLOR_DIFFUSE") or (0.8, 0.8, 0.8))[:3])
    opacity = row.get("OPACITY")
    seen = min(max(float(opacity), 0.0), 1.0) if isinstance(opacity, int | float) else 1.0
    seen = seen or 1.0  # some programs write 0 for what is plainly not invisible
    return material(str(row.get("NAME") or "")[:200], (red, green, blue), seen, texture)


def _is_colour(kind: Any) -> bool:
    return kind in {1, 12}  # diffuse, base colour
