"""Pictures that are none, are two things, or become far too much."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from functools import cache

from PIL import Image

from tests.model_libraries import png

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(owned) run\nshowpage\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    """A part of a PNG."""
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)
    )


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """What a PNG says of its size."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def _png(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND", b"")


def _saved(form: str, size: tuple[int, int] = (16, 16), mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 7).save(buffer, form, **options)
    return buffer.getvalue()


def _rows(width: int, height: int) -> bytes:
    return zlib.compress(bytes((1 + 3 * width) * height), 9)


@cache
def cases() -> dict[str, bytes]:
    """Everything that is uploaded, or lies where a picture should."""
    return {**_pngs(), **_jpegs(), **_others()}


def textures() -> dict[str, bytes]:
    """Some of them for models."""
    chosen = ("png-gigapixel", "png-bomb", "png-cut", "eps", "tiff-wrong-types", "gif-cut", "jpeg-cut", "zip", "empty")
    everything = cases()
    return {name: everything[name] for name in chosen}


def _pngs() -> dict[str, bytes]:
    whole = png(size=(16, 16))
    body = whole[8 + 25 : -12]
    text = b"k\0\0" + zlib.compress(bytes(8 << 20), 9)
    profile = b"icc\0\0" + zlib.compress(bytes(8 << 20), 9)
    frame = struct.pack(">IIIIIHHBB", 0, 16, 16, 0, 0, 1, 10, 0, 0)
    large = struct.pack(">IIIIIHHBB", 1, 2**31 - 1, 2**31 - 1, 0, 0, 1, 10, 0, 0)
    return {
        "png-gigapixel": _png(header(100_000, 100_000), chunk(b"IDAT", zlib.compress(b"\0"))),
        "png-largest": _png(header(2**31 - 1, 2**31 - 1), chunk(b"IDAT", zlib.compress(b"\0"))),
        "png-no-size": _png(header(0, 0), chunk(b"IDAT", zlib.compress(b"\0"))),
        "png-bomb": _png(header(4000, 4000), chunk(b"IDAT", _rows(4000, 4000))),
        "png-bomb-too-large": _png(header(12_000, 12_000), chunk(b"IDAT", zlib.compress(bytes(1 << 20)))),
        "png-cut": whole[: len(whole) // 2],
        "png-cut-in-header": whole[:20],
        "png-only-signature": SIGNATURE,
        "png-wrong-crc": _png(header(16, 16), chunk(b"IDAT", _rows(16, 16), crc=0)),
        "png-no-data": _png(header(16, 16)),
        "png-too-few-rows": _png(header(16, 16), chunk(b"IDAT", zlib.compress(bytes(3)))),
        "png-too-many-rows": _png(header(16, 16), chunk(b"IDAT", zlib.compress(bytes(10 << 20)))),
        "png-huge-text": _png(header(16, 16), chunk(b"zTXt", text), body),
        "png-many-texts": _png(header(16, 16), *[chunk(b"tEXt", b"k\0" + bytes(10_000))] * 500, body),
        "png-huge-profile": _png(header(16, 16), chunk(b"iCCP", profile), body),
        "png-huge-chunk": _png(header(16, 16), struct.pack(">I", 2**31 - 1) + b"tEXt" + bytes(100)),
        "png-no-palette": _png(header(16, 16, colour=3), chunk(b"IDAT", zlib.compress(bytes(17 * 16)))),
        "png-odd-depth": _png(header(16, 16, depth=13), chunk(b"IDAT", _rows(16, 16))),
        "png-wrong-exif": _png(header(16, 16), chunk(b"eXIf", _exif(type_=5, count=2**31)), body),
        "png-apng-of-a-million": _png(
            header(16, 16), chunk(b"acTL", struct.pack(">II", 10**6, 0)), chunk(b"fcTL", frame), body
        ),
        "png-apng-large-frame": _png(
            header(16, 16),
            chunk(b"acTL", struct.pack(">II", 2, 0)),
            chunk(b"fcTL", frame),
            body,
            chunk(b"fcTL", large),
            chunk(b"fdAT", struct.pack(">I", 2) + _rows(16, 16)),
        ),
        "png-and-zip": whole + _zip(),
        "png-and-html": whole + b"<script>alert(1)</script>",
    }


def _exif(type_: int = 3, count: int = 1, value: int = 6, tag: int = 0x0112) -> bytes:
    return b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", tag, type_, count, value, 0) + bytes(4)


def _jpeg_with(segment: bytes, marker: int = 0xE1) -> bytes:
    whole = _saved("JPEG")
    return whole[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(segment) + 2) + segment + whole[2:]


def _jpegs() -> dict[str, bytes]:
    whole = _saved("JPEG")
    frame = whole.index(b"\xff\xc0")
    return {
        "jpeg-cut": whole[: len(whole) // 2],
        "jpeg-only-start": b"\xff\xd8\xff",
        "jpeg-largest": whole[: frame + 5] + struct.pack(">HH", 65535, 65535) + whole[frame + 9 :],
        "jpeg-no-size": whole[: frame + 5] + struct.pack(">HH", 0, 0) + whole[frame + 9 :],
        "jpeg-exif-wrong-type": _jpeg_with(b"Exif\0\0" + _exif(type_=2)),
        "jpeg-exif-count": _jpeg_with(b"Exif\0\0" + _exif(type_=5, count=2**32 - 1)),
        "jpeg-exif-turn-99": _jpeg_with(b"Exif\0\0" + _exif(value=99)),
        "jpeg-exif-in-a-circle": _jpeg_with(b"Exif\0\0" + _exif(tag=0x8769, type_=4, count=1, value=0)),
        "jpeg-exif-cut": _jpeg_with(b"Exif\0\0MM\0*"),
        "jpeg-many-profiles": _jpeg_with(b"ICC_PROFILE\0\xff\xff" + bytes(60_000), 0xE2),
        "jpeg-mpo": _jpeg_with(b"MPF\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHII", 0xB001, 4, 1, 10**6), 0xE2),
        "jpeg-cmyk": _saved("JPEG", mode="CMYK"),
        "jpeg-and-phar": whole + b"<?php __HALT_COMPILER(); ?>",
    }


def _tiff(*entries: tuple[int, int, int, int]) -> bytes:
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + bytes(4) + bytes(64)


SIZE: Sequence[tuple[int, int, int, int]] = ((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1))


def _others() -> dict[str, bytes]:
    gif, bmp, webp = _saved("GIF", mode="P"), _saved("BMP"), _saved("WEBP")
    circle = bytearray(_tiff(*SIZE, (259, 3, 1, 1), (273, 4, 1, 100), (279, 4, 1, 64)))
    struct.pack_into("<I", circle, 10 + 12 * 7, 8)
    return {
        "empty": b"",
        "one-byte": b"\0",
        "zeroes": bytes(100_000),
        "eps": EPS,
        "svg": SVG,
        "pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>",
        "psd": b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 30_000, 30_000, 8, 3) + bytes(100),
        "ico": b"\0\0\x01\0\xff\xff" + bytes(100),
        "xpm": b"/* XPM */\nstatic char *a[] = {\n" + b'"99999 99999 1 1",\n' * 100,
        "ppm-largest": b"P6\n99999 99999\n255\n",
        "fli": struct.pack("<IHHHHHH", 128, 0xAF11, 65535, 65535, 65535, 8, 3) + bytes(110),
        "zip": _zip(),
        "html": b"<html><script>fetch('http://127.0.0.1')</script></html>",
        "gif-cut": gif[: len(gif) // 2],
        "gif-largest": gif[:6] + struct.pack("<HH", 65535, 65535) + gif[10:],
        "gif-many-frames": _frames(),
        "gif-and-script": gif.replace(b"GIF87a", b"GIF89a") + b"/*';alert(1)//*/",
        "bmp-largest": bmp[:18] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + bmp[26:],
        "bmp-negative": bmp[:18] + struct.pack("<ii", -16, -(2**31)) + bmp[26:],
        "bmp-cut": bmp[:60],
        "webp-cut": webp[: len(webp) // 2],
        "webp-lies-about-size": webp[:4] + struct.pack("<I", 2**31) + webp[8:],
        "tiff-wrong-types": _tiff(*[(tag, 2, count, value) for tag, _, count, value in SIZE]),
        "tiff-counts": _tiff(*SIZE, (273, 4, 2**31, 8), (279, 4, 2**31, 8)),
        "tiff-gigapixel": _tiff(
            (256, 4, 1, 100_000), (257, 4, 1, 100_000), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8)
        ),
        "tiff-in-a-circle": bytes(circle),
        "tiff-odd-compression": _tiff(*SIZE, (259, 3, 1, 34712), (273, 4, 1, 100), (279, 4, 1, 64)),
        "tga-like": bytes([0, 0, 2]) + bytes(9) + struct.pack("<HHBB", 65535, 65535, 32, 0),
        "ktx2": b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(68),
        "avif": b"\0\0\0\x1cftypavif" + bytes(100),
        "jpeg2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
    }


def _frames() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("P", (4, 4), number % 256) for number in range(200)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=1)
    return buffer.getvalue()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "x")
    return buffer.getvalue()
