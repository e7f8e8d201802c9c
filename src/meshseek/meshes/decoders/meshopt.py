"""``EXT_meshopt_compression``: buffer views whose bytes are packed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.decoders.draft import Draft, taken_out
from meshseek.meshes.gltf_schema import MESHOPT, Index
from meshseek.meshes.readers import installed


class _Packed(BaseModel):
    """How a view is packed."""

    model_config = ConfigDict(strict=True, alias_generator=to_camel)

    buffer: Index
    byte_offset: Index = 0
    byte_length: Index
    byte_stride: Annotated[int, Field(ge=1, le=256)]
    count: Index
    mode: Literal["ATTRIBUTES", "TRIANGLES", "INDICES"]
    filter: Literal["NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL", "COLOR"] = "NONE"


def unpack_meshopt(draft: Draft) -> None:
    """Decode all views that are packed so.

    Raises:
        UnreadableAssetError: The decoder is not installed, or a view is cut off or too large.
        Exception: A view is damaged.
    """
    for number, row in enumerate(draft.tree.get("bufferViews", ())):
        use = taken_out(row, *MESHOPT)
        if use is not None:
            packed = _Packed.model_validate(use)
            draft.views[number] = _unpacked(draft, packed)
            if packed.mode == "ATTRIBUTES" and len(draft.views[number]):
                row["byteStride"] = packed.byte_stride
    for number, (buffer, data) in enumerate(zip(draft.checked.buffer_views, draft.views, strict=False)):
        if draft.checked.buffers[buffer.buffer].is_fallback and not len(data) and buffer.byte_length:
            raise UnreadableAssetError(f"its part {number} is neither there nor compressed; export it again")
    draft.drop(*MESHOPT)


def _unpacked(draft: Draft, packed: _Packed) -> bytes:
    meshopt: Any = installed("meshopt", "decoders", "what is compressed with meshopt")
    draft.take(packed.count * packed.byte_stride)
    data = bytes(draft.part(packed.buffer, packed.byte_offset, packed.byte_length))
    if not packed.count:
        return b""
    how = None if packed.filter == "NONE" else packed.filter
    rows = meshopt.decode_gltf_buffer(data, packed.count, packed.byte_stride, packed.mode, how)
    unpacked: bytes = rows.tobytes()
    return unpacked
