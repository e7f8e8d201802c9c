"""glTF files as GLB: looked at, or packed together, but never changed in what they show."""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
import os
import struct
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.glb import BINARY_CHUNK, JSON_CHUNK, encode_glb
from meshseek.meshes.gltf_schema import MESHOPT, Buffer, GltfTree, Image, check_tree
from meshseek.meshes.model_files import ModelFiles
from meshseek.meshes.textures import MAX_PIXELS, pixels_of

_HEADER = 20
_CHUNK = 8
_VERSION = 2
MOST_JSON_BYTES = 256 << 20
UNPACK = "export it without compression"


@dataclass(frozen=True, slots=True)
class GlbFile:
    """A GLB whose structure was checked; its numbers are still on the disk."""

    path: Path
    tree: GltfTree
    start: int
    """Where its numbers begin."""
    length: int
    """Bytes of them."""

    def content(self) -> tuple[dict[str, Any], bytes]:
        """The whole structure as the file has it, and its numbers.

        Raises:
            OSError: It cannot be read.
        """
        with self.path.open("rb") as file:
            head = file.read(_HEADER)
            tree = json.loads(file.read(struct.unpack_from("<I", head, _HEADER - _CHUNK)[0]))
            file.seek(self.start)
            return tree, file.read(self.length)

    def plain(self) -> bytes:
        """The file anew, with nothing in it but what was checked.

        Raises:
            UnreadableAssetError: It is compressed.
            OSError: It cannot be read.
        """
        name = self.tree.compression()
        if name is not None:
            raise UnreadableAssetError(f"it is compressed with {name}; {UNPACK}")
        if not self.tree.is_complete():
            raise UnreadableAssetError("some of its numbers are not in plain buffers; export it without compression")
        with self.path.open("rb") as file:
            file.seek(self.start)
            binary = file.read(self.length)
        tree = self.tree.model_dump(by_alias=True, exclude_defaults=True)
        buffers = [binary if buffer.uri is None else decode_uri(buffer.uri) for buffer in self.tree.buffers]
        left = MAX_PIXELS
        for row, image in zip(tree.get("images", ()), self.tree.images, strict=False):
            pixels = pixels_of(self._encoded(image, buffers))
            if 0 < pixels <= left:
                left -= pixels
            else:
                row.clear()  # the surface shows its plain colour
        return encode_glb(tree, binary + bytes(-len(binary) % 4))

    def _encoded(self, image: Image, buffers: Sequence[bytes]) -> bytes:
        """The bytes of a picture; nothing where it is in another file."""
        if image.buffer_view is None:
            return decode_uri(image.uri) if image.uri is not None and image.uri.startswith("data:") else b""
        view = self.tree.buffer_views[image.buffer_view]
        return buffers[view.buffer][view.byte_offset : view.byte_offset + view.byte_length]


def read_glb(path: Path) -> GlbFile:
    """Check a GLB by its headers.

    Raises:
        UnreadableAssetError: It is not a whole GLB 2.0 file with faces.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(_HEADER)
        if len(head) < _HEADER or head[:4] != b"glTF":
            raise UnreadableAssetError("it is not a GLB file; export it as GLB")
        version, length, json_length, json_type = struct.unpack("<IIII", head[4:])
        if version != _VERSION:
            raise UnreadableAssetError(f"it is glTF {version}; save it as glTF 2.0")
        if length > size or _HEADER + json_length > length:
            whole = max(length, _HEADER + json_length)
            if whole <= size:
                raise UnreadableAssetError("its header is damaged; export it again")
            raise UnreadableAssetError(f"it is cut off ({size:,} of {whole:,} bytes); copy or export it again")
        if json_length > MOST_JSON_BYTES:
            raise UnreadableAssetError(f"its structure alone has {json_length / 1e6:,.0f} MB; reduce the model")
        if json_type != JSON_CHUNK:
            raise UnreadableAssetError("its first chunk is not JSON; export it again")
        tree = check_tree(_parse(file.read(json_length)))
        start, chunk = _binary_chunk(file, size)
    _check_buffers(tree, chunk)
    return GlbFile(path, tree, start, chunk)


def pack_gltf(text: bytes, files: ModelFiles) -> tuple[bytes, int]:
    """Pack a ``.gltf`` with its buffers and pictures into one GLB.

    Returns:
        The GLB, and the number of its triangles.

    Raises:
        UnreadableAssetError: It is damaged, or one of its files is missing.
    """
    tree = _parse(text)
    checked = check_tree(tree)
    return encode_glb(tree, _pack(tree, checked, files)), checked.faces()


def _binary_chunk(file: BinaryIO, size: int) -> tuple[int, int]:
    """Where the numbers begin, and their bytes, none where there are none; chunks of other kinds are passed over."""
    while len(head := file.read(_CHUNK)) == _CHUNK:
        length, kind = struct.unpack("<II", head)
        if kind == BINARY_CHUNK:
            return file.tell(), min(length, size - file.tell())
        file.seek(length, os.SEEK_CUR)
    return 0, 0


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableAssetError("its JSON is damaged; export it again") from error


def _check_buffers(tree: GltfTree, chunk: int) -> None:
    """The first buffer is the chunk of numbers; others must be inside the tree."""
    for number, buffer in enumerate(tree.buffers):
        if buffer.is_fallback:
            continue  # what stands in for it is compressed
        if buffer.uri is None:
            length = chunk if number == 0 else 0
        elif buffer.uri.startswith("data:"):
            length = len(decode_uri(buffer.uri))
        else:
            raise UnreadableAssetError(f"its data is in another file, '{buffer.uri[:80]}'; export it as one GLB")
        if length < buffer.byte_length:
            raise _cut_off(length, buffer)


def _cut_off(length: int, buffer: Buffer) -> UnreadableAssetError:
    return UnreadableAssetError(f"its data is cut off ({length:,} of {buffer.byte_length:,} bytes); export it again")


def _pack(tree: dict[str, Any], checked: GltfTree, files: ModelFiles) -> bytes:
    binary = bytearray()
    places: list[tuple[int, int]] = []  # the buffer that each becomes, and where in it; those without bytes the second
    for buffer in checked.buffers:
        places.append((1, 0) if buffer.is_fallback else (0, len(binary)))
        if buffer.is_fallback:
            continue
        if buffer.uri is None:
            raise UnreadableAssetError("its data is missing; export it as GLB")
        data = _load(buffer.uri, files)
        if len(data) < buffer.byte_length:
            raise _cut_off(len(data), buffer)
        _append(binary, data[: buffer.byte_length])
    views = tree.setdefault("bufferViews", [])
    for view in views:
        for part in (view, *_compressed(view)):
            _move(part, places)
    for image in tree.get("images", ()):
        if image.get("uri") is not None:
            data = _load(image["uri"], files)
            image["mimeType"] = _mime(image)
            del image["uri"]
            image["bufferView"] = len(views)
            views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
            _append(binary, data)
    empty = [row for row, buffer in zip(tree.get("buffers", ()), checked.buffers, strict=True) if buffer.is_fallback]
    longest = max(empty, key=lambda row: int(row["byteLength"]), default=None)
    tree["buffers"] = [{"byteLength": len(binary)}, *([] if longest is None else [longest])]
    return bytes(binary)


def _compressed(view: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Where the bytes of a view are that is compressed."""
    extensions = view.get("extensions")
    if isinstance(extensions, dict):
        yield from (use for name in MESHOPT if isinstance(use := extensions.get(name), dict))


def _move(part: dict[str, Any], places: Sequence[tuple[int, int]]) -> None:
    """Say of some bytes where they are now."""
    number, offset = part.get("buffer"), part.get("byteOffset", 0)
    if type(number) is not int or type(offset) is not int or not 0 <= number < len(places):
        raise UnreadableAssetError("its glTF structure is damaged; export it again")
    part["buffer"], start = places[number]
    part["byteOffset"] = offset + start


def _append(binary: bytearray, data: bytes) -> None:
    binary += data + bytes(-len(data) % 4)


def _load(uri: str, files: ModelFiles) -> bytes:
    if uri.startswith("data:"):
        return decode_uri(uri)
    data = files.find(urllib.parse.unquote(uri))
    if data is None:
        raise UnreadableAssetError(f"its file '{uri[:80]}' is missing; put it beside the model")
    return data


def decode_uri(uri: str) -> bytes:
    """The bytes inside a ``data:`` address.

    Raises:
        UnreadableAssetError: They are damaged.
    """
    try:
        return base64.b64decode(uri.partition(",")[2])
    except (binascii.Error, ValueError) as error:
        raise UnreadableAssetError("its data inside the JSON is damaged; export it again") from error


def _mime(image: Mapping[str, Any]) -> str:
    if image.get("mimeType") is not None:
        return str(image["mimeType"])
    uri = image["uri"]
    if uri.startswith("data:"):
        return str(uri[5:].partition(";")[0])
    return mimetypes.guess_type(uri)[0] or "image/png"
