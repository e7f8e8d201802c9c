"""STL, PLY and OFF: one list of vertices and faces each, of which none says its unit."""

from __future__ import annotations

import io
import logging
import struct
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from trimesh.exchange.off import load_off
from trimesh.exchange.ply import load_ply
from trimesh.exchange.stl import load_stl
from trimesh.geometry import triangulate_quads

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.mtl import linear
from meshseek.meshes.surfaces import GREY, WHITE, Content, Surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEAD, _FACE = 84, 50
"""Bytes of a binary STL before its faces, and of each face."""
_LOOKED_AT = 4096
_BYTE = 255
_LIGHT = np.array([linear(value / _BYTE) for value in range(_BYTE + 1)])
"""Of each sRGB byte."""

logging.getLogger("trimesh").setLevel(logging.ERROR)  # what it says of a file we say in our own words


def read_stl(content: bytes) -> Content:
    """An STL, binary or text."""
    return _read(load_stl, io.BytesIO(_stl(content)))


def read_ply(content: bytes) -> Content:
    """A PLY, binary or text, with the colours of its vertices or faces; the picture that it may name is not read."""
    if not content.startswith(b"ply"):
        raise UnreadableAssetError("it is not a PLY file; export it again")
    return _read(lambda file: load_ply(file, skip_materials=True), io.BytesIO(content))


def read_off(content: bytes) -> Content:
    """An OFF as text."""
    if b"OFF" not in content[:_LOOKED_AT] or b"\0" in content[:_LOOKED_AT]:
        raise UnreadableAssetError("it is not an OFF file of text; export it again")
    return _read(load_off, io.StringIO(content.decode("utf-8", "replace")))


READERS: Final[Mapping[str, Callable[[bytes], Content]]] = {".stl": read_stl, ".ply": read_ply, ".off": read_off}
"""By how a file's name ends."""


def _stl(content: bytes) -> bytes:
    """Without what follows the last face.

    Raises:
        UnreadableAssetError: It is cut off, or is none.
    """
    count = struct.unpack_from("<I", content, _HEAD - 4)[0] if len(content) >= _HEAD else 0
    whole = _HEAD + _FACE * count
    if count and whole == len(content):
        return content
    if content.lstrip()[:5].lower() == b"solid" and b"\0" not in content[:_LOOKED_AT]:
        if b"endsolid" not in content[-_LOOKED_AT:].lower():
            raise UnreadableAssetError("its text is cut off; copy or export it again")
        return content.decode("utf-8", "replace").encode()
    if not count or whole > len(content):
        raise UnreadableAssetError(f"it is cut off ({len(content):,} of {whole:,} bytes); copy or export it again")
    return content[:whole]


def _read(load: Any, file: io.IOBase) -> Content:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = load(file)
            solids = found["geometry"].values() if "geometry" in found else [found]
            surfaces = [_surface(solid) for solid in solids if solid.get("faces") is not None and len(solid["faces"])]
        except MemoryError:
            raise
        except Exception as error:  # what the parser raises is not told
            raise UnreadableAssetError("it is damaged; export it again") from error
    if not surfaces:
        raise UnreadableAssetError("it has no faces; export it with triangle meshes")
    return Content(surfaces=surfaces)


def _surface(solid: Mapping[str, Any]) -> Surface:
    vertices = np.asarray(solid["vertices"], np.float64)
    faces = np.asarray(triangulate_quads(solid["faces"]), np.int64)
    faces = faces[((faces >= 0) & (faces < len(vertices))).all(axis=1)]
    normals = solid.get("vertex_normals")
    colours = _colours(solid, faces, len(vertices))
    return Surface(
        corners=vertices[faces],
        normals=None if normals is None or len(normals) != len(vertices) else np.asarray(normals, np.float64)[faces],
        colours=colours,
        material=GREY if colours is None else WHITE,
    )


def _colours(solid: Mapping[str, Any], faces: NDArray[np.int64], count: int) -> NDArray[np.float64] | None:
    """Of each corner (faces, 3, 4), from those of vertices or of faces."""
    for name, rows in (("vertex_colors", count), ("face_colors", len(faces))):
        given = solid.get(name)
        if given is None or len(given) != rows or np.ndim(given) != 2 or np.shape(given)[1] not in {3, 4}:  # noqa: PLR2004
            continue
        values = np.asarray(given)
        scaled = values if values.dtype.kind in "iu" else np.nan_to_num(np.asarray(values, np.float64)) * _BYTE
        levels = np.clip(scaled, 0, _BYTE).astype(np.int64)
        colours = np.ones((rows, 4))
        colours[:, :3] = _LIGHT[levels[:, :3]]
        if levels.shape[1] == 4:  # noqa: PLR2004
            colours[:, 3] = levels[:, 3] / _BYTE
        return colours[faces] if name == "vertex_colors" else np.repeat(colours[:, None], 3, axis=1)
    return None
