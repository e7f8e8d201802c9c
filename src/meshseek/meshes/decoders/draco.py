"""``KHR_draco_mesh_compression``: primitives whose faces and vertices are packed together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.decoders.draft import Draft, taken_out
from meshseek.meshes.gltf_schema import DRACO, Index
from meshseek.meshes.readers import installed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES: Final = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS: Final = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_UINT32: Final = 5125
_TRIANGLES: Final = 4


class _Packed(BaseModel):
    """Where a primitive is packed, and which of its attributes is which."""

    model_config = ConfigDict(strict=True, alias_generator=to_camel)

    buffer_view: Index
    attributes: dict[str, Index]


def unpack_draco(draft: Draft) -> None:
    """Decode all primitives that are packed so.

    Raises:
        UnreadableAssetError: The decoder is not installed, or what was decoded does not fit the file.
        Exception: A primitive is damaged.
    """
    meshes: dict[int, Any] = {}
    for mesh in draft.tree.get("meshes", ()):
        for primitive in mesh["primitives"]:
            use = taken_out(primitive, DRACO)
            if use is not None:
                _unpack(draft, primitive, _Packed.model_validate(use), meshes)
    for number in meshes:
        draft.views[number] = b""
    draft.drop(DRACO)


def _unpack(draft: Draft, primitive: dict[str, Any], packed: _Packed, meshes: dict[int, Any]) -> None:
    number = packed.buffer_view
    if number not in meshes:
        draco = installed("DracoPy", "decoders", "what is compressed with Draco")
        meshes[number] = draco.decode(bytes(draft.views[number]))
    mesh = meshes[number]
    faces = np.asarray(mesh.faces, np.uint32)
    if not faces.size or primitive.get("mode", _TRIANGLES) < _TRIANGLES:
        raise UnreadableAssetError("what is compressed in it are no triangles; export it again")
    primitive["mode"] = _TRIANGLES  # strips were made triangles
    primitive["indices"] = _accessor(draft, faces.reshape(-1, 1), {"type": "SCALAR", "componentType": _UINT32})
    for name, unique in packed.attributes.items():
        old = draft.tree["accessors"][primitive["attributes"][name]]
        values = mesh.get_attribute_by_unique_id(unique)["data"]
        kept = {key: old[key] for key in ("type", "componentType", "normalized", "name") if key in old}
        primitive["attributes"][name] = _accessor(draft, np.asarray(values), kept)


def _accessor(draft: Draft, values: NDArray[Any], facts: dict[str, Any]) -> int:
    """Put numbers (rows, width) in a view of their own, as the accessor for them says that they are stored."""
    width = _WIDTHS[facts["type"]]
    rows = values.reshape(len(values), -1)
    if rows.shape[1] != width:
        raise UnreadableAssetError("what is compressed in it does not fit the rest of it; export it again")
    stored = rows.astype(_DTYPES[facts["componentType"]])
    padded = -stored.dtype.itemsize * width % 4  # rows begin at multiples of four bytes
    data = np.pad(stored.view(np.uint8).reshape(len(stored), -1), ((0, 0), (0, padded))) if padded else stored
    plain = facts["type"] == "SCALAR"
    view = draft.add(stored.tobytes() if plain else np.ascontiguousarray(data).tobytes())
    if padded and not plain:
        draft.tree["bufferViews"][view]["byteStride"] = stored.dtype.itemsize * width + padded
    row = {**facts, "bufferView": view, "count": len(stored)}
    if stored.dtype.kind == "f" and facts["type"] == "VEC3" and len(stored):
        row |= {"min": stored.min(axis=0).tolist(), "max": stored.max(axis=0).tolist()}
    draft.tree["accessors"].append(row)
    return len(draft.tree["accessors"]) - 1
