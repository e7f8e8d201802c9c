"""A GLB taken apart: its tree, and the bytes of each buffer view."""

from __future__ import annotations

from typing import Any

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.glb import encode_glb
from meshseek.meshes.gltf import GlbFile, decode_uri

MOST_BYTES = 1 << 30
"""Of a model, unpacked."""


class Draft:
    """One model while it is decoded.

    Args:
        glb: A checked file.

    Raises:
        UnreadableAssetError: Its parts are too many bytes.
        OSError: It cannot be read.
    """

    def __init__(self, glb: GlbFile) -> None:
        self.checked = glb.tree
        self.tree, binary = glb.content()
        self._left = MOST_BYTES
        chunk = memoryview(binary)
        self.buffers = [
            memoryview(b"") if row.is_fallback else chunk if row.uri is None else memoryview(decode_uri(row.uri))
            for row in glb.tree.buffers
        ]
        self.views: list[bytes | memoryview] = [
            self.part(row.buffer, row.byte_offset, row.byte_length)
            if not glb.tree.buffers[row.buffer].is_fallback
            else b""
            for row in glb.tree.buffer_views
        ]

    def part(self, buffer: int, start: int, length: int) -> memoryview:
        """Some bytes of a buffer.

        Raises:
            UnreadableAssetError: There are not so many.
        """
        self.take(length)
        whole = self.buffers[buffer] if buffer < len(self.buffers) else memoryview(b"")
        if start + length > len(whole):
            raise UnreadableAssetError("what is compressed in it is cut off; export it again")
        return whole[start : start + length]

    def take(self, count: int) -> None:
        """Make sure that so many more bytes may be had.

        Raises:
            UnreadableAssetError: They may not.
        """
        self._left -= count
        if self._left < 0:
            raise UnreadableAssetError(f"it unpacks to more than {MOST_BYTES / 1e6:,.0f} MB; reduce it")

    def add(self, data: bytes) -> int:
        """Put bytes in a view of their own.

        Returns:
            Its number.
        """
        self.take(len(data))
        self.views.append(data)
        self.tree.setdefault("bufferViews", []).append({"buffer": 0, "byteLength": len(data)})
        return len(self.views) - 1

    def drop(self, *extensions: str) -> None:
        """Take extensions out of the lists of those that are used."""
        for name in ("extensionsUsed", "extensionsRequired"):
            left = [extension for extension in self.tree.get(name) or () if extension not in extensions]
            self.tree.pop(name, None)
            if left:
                self.tree[name] = left

    def encoded(self) -> bytes:
        """The GLB of what it is now."""
        binary = bytearray()
        for row, data in zip(self.tree.get("bufferViews", ()), self.views, strict=True):
            row |= {"buffer": 0, "byteOffset": len(binary), "byteLength": len(data) or 4}
            binary += data or bytes(4)
            binary += bytes(-len(binary) % 4)
        self.tree["buffers"] = [{"byteLength": len(binary)}]
        return encode_glb(self.tree, bytes(binary))


def taken_out(row: dict[str, Any], *names: str) -> dict[str, Any] | None:
    """One of these extensions of a part of the tree, which then has it no longer; None where it has none of them."""
    extensions = row.get("extensions")
    if not isinstance(extensions, dict):
        return None
    found = [extensions.pop(name) for name in names if isinstance(extensions.get(name), dict)]
    if not extensions:
        del row["extensions"]
    return found[0] if found else None
