"""``KHR_texture_basisu``: textures as KTX2 files of Basis Universal."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.decoders.draft import Draft, taken_out
from meshseek.meshes.gltf import decode_uri
from meshseek.meshes.gltf_schema import BASIS
from meshseek.meshes.readers import installed
from meshseek.meshes.textures import MAX_PIXELS

_SIDE = 2048
"""Pixels: of a larger texture, a smaller level is taken, where it has any."""
_QUALITY = 95


def unpack_basis(draft: Draft) -> None:
    """Decode all textures that are packed so to JPEG, or PNG where they are seen through.

    Raises:
        UnreadableAssetError: The decoder is not installed, or they have too many pixels.
        Exception: One is damaged.
    """
    done: set[int] = set()
    pixels = MAX_PIXELS
    for texture in draft.tree.get("textures", ()):
        use = taken_out(texture, BASIS)
        if use is None:
            continue
        number = use["source"]
        if type(number) is not int or not 0 <= number < len(draft.checked.images):
            raise UnreadableAssetError("one of its textures names no picture; export it again")
        texture["source"] = number
        if number not in done:
            done.add(number)
            pixels -= _unpack(draft, number, pixels)
    for number in done:
        view = draft.checked.images[number].buffer_view
        if view is not None:
            draft.views[view] = b""
    draft.drop(BASIS)


def _unpack(draft: Draft, number: int, most: int) -> int:
    """Decode one picture in its place.

    Returns:
        How many pixels it has.
    """
    image, row = draft.checked.images[number], draft.tree["images"][number]
    data = decode_uri(image.uri or "") if image.buffer_view is None else bytes(draft.views[image.buffer_view])
    basisu: Any = installed("opengl_basisu", "decoders", "what is compressed with Basis (KTX2)")
    texture = basisu.open(data)
    level = next((level for level in range(texture.levels) if max(texture.level_size(level)) <= _SIDE), 0)
    width, height = map(int, texture.level_size(level))
    if width * height > most:
        raise UnreadableAssetError(f"its textures have more than {MAX_PIXELS:,} pixels; reduce them")
    picture = Image.fromarray(texture.transcode("rgba8", level=level).data)
    opaque = picture.getchannel("A").getextrema() == (255, 255)
    buffer = io.BytesIO()
    if opaque:
        picture.convert("RGB").save(buffer, "JPEG", quality=_QUALITY)
    else:
        picture.save(buffer, "PNG")
    row.pop("uri", None)
    row |= {"bufferView": draft.add(buffer.getvalue()), "mimeType": "image/jpeg" if opaque else "image/png"}
    return width * height
