"""A small GLB writer: one mesh, one primitive for each material, textures inside, encoded pictures passed through.

trimesh's own exporter rounds colour factors to 8 bits and compresses JPEG textures once more, so it is not used here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.meshes.textures import AlphaMode, Texture

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOAT, _UINT16, _UINT32 = 5126, 5123, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942


@dataclass(frozen=True, slots=True, kw_only=True)
class GlbMaterial:
    """How a part looks; it is drawn from both sides, as furniture is often one sheet thick."""

    name: str
    colour: tuple[float, float, float, float]
    """Linear RGB and opacity, 0..1; multiplied with the texture."""
    roughness: float
    texture: Texture | None
    alpha_mode: AlphaMode


@dataclass(frozen=True, slots=True, kw_only=True)
class GlbPart:
    """Triangles of one material."""

    positions: NDArray[np.float32]
    """(vertices, 3), metres, y up."""
    normals: NDArray[np.float32]
    texcoords: NDArray[np.float32] | None
    """(vertices, 2), the origin at the upper left."""
    indices: NDArray[np.int64]
    material: GlbMaterial
    colours: NDArray[np.float32] | None = None
    """(vertices, 4), linear, 0..1; multiplied with the material's."""


def build_glb(parts: Sequence[GlbPart], asset: Mapping[str, Any]) -> bytes:
    """Encode the parts as one GLB file.

    Args:
        parts: What to draw.
        asset: More fields of glTF's ``asset`` object, such as ``copyright`` and ``extras``.
    """
    builder = _Builder()
    primitives = [builder.primitive(part) for part in parts]
    tree = {
        "asset": {"version": "2.0", "generator": "Meshseek", **asset},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": primitives}],
        **{key: rows for key, rows in builder.tables.items() if rows},
        "buffers": [{"byteLength": len(builder.buffer)}],
    }
    return encode_glb(tree, bytes(builder.buffer))


def encode_glb(tree: Mapping[str, Any], binary: bytes) -> bytes:
    """Put a glTF tree and its one buffer (a multiple of 4 bytes) into the GLB container."""
    header = json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 4)
    return b"".join(
        (
            struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(header) + 8 + len(binary)),
            struct.pack("<II", len(header), JSON_CHUNK),
            header,
            struct.pack("<II", len(binary), BINARY_CHUNK),
            binary,
        )
    )


class _Builder:
    """Fills the binary buffer and the tables that point into it."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("materials", "textures", "images", "accessors", "bufferViews")
        }
        self._materials: dict[int, int] = {}
        self._textures: dict[int, int] = {}

    def primitive(self, part: GlbPart) -> dict[str, Any]:
        attributes = {"POSITION": self._vectors(part.positions, bounds=True), "NORMAL": self._vectors(part.normals)}
        if part.texcoords is not None and part.material.texture is not None:
            attributes["TEXCOORD_0"] = self._vectors(part.texcoords)
        if part.colours is not None:
            attributes["COLOR_0"] = self._vectors(part.colours)
        short = len(part.positions) < np.iinfo(np.uint16).max
        indices = part.indices.astype(np.uint16 if short else np.uint32)
        accessor = {
            "bufferView": self._view(indices.tobytes(), target=_ELEMENT_ARRAY_BUFFER),
            "componentType": _UINT16 if short else _UINT32,
            "count": indices.size,
            "type": "SCALAR",
        }
        return {
            "attributes": attributes,
            "indices": self._add("accessors", accessor),
            "material": self._material(part.material),
        }

    def _vectors(self, rows: NDArray[np.float32], *, bounds: bool = False) -> int:
        accessor: dict[str, Any] = {
            "bufferView": self._view(rows.astype(np.float32).tobytes(), target=_ARRAY_BUFFER),
            "componentType": _FLOAT,
            "count": len(rows),
            "type": f"VEC{rows.shape[1]}",
        }
        if bounds:
            accessor |= {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}
        return self._add("accessors", accessor)

    def _material(self, material: GlbMaterial) -> int:
        if id(material) in self._materials:
            return self._materials[id(material)]
        surface: dict[str, Any] = {
            "baseColorFactor": list(material.colour),
            "metallicFactor": 0,
            "roughnessFactor": material.roughness,
        }
        if material.texture is not None:
            surface["baseColorTexture"] = {"index": self._texture(material.texture)}
        row = {"name": material.name, "pbrMetallicRoughness": surface, "doubleSided": True}
        if material.alpha_mode != "OPAQUE":
            row["alphaMode"] = material.alpha_mode
        number = self._materials[id(material)] = self._add("materials", row)
        return number

    def _texture(self, texture: Texture) -> int:
        if id(texture) not in self._textures:
            image = self._add("images", {"bufferView": self._view(texture.data), "mimeType": texture.mime})
            self._textures[id(texture)] = self._add("textures", {"source": image})
        return self._textures[id(texture)]

    def _view(self, data: bytes, *, target: int | None = None) -> int:
        row = {"buffer": 0, "byteOffset": len(self.buffer), "byteLength": len(data)}
        self.buffer += data + bytes(-len(data) % 4)
        return self._add("bufferViews", row if target is None else {**row, "target": target})

    def _add(self, table: str, row: dict[str, Any]) -> int:
        self.tables[table].append(row)
        return len(self.tables[table]) - 1
