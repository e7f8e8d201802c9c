"""Reading pictures: from users, who may send anything, and from our own views."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from PIL import Image as Pillow
from PIL import ImageOps

from meshseek.errors import ImageError

MAX_IMAGE_BYTES = 10_000_000
MAX_IMAGE_PIXELS = 50_000_000
MAX_SIDE = 2048
"""Larger pictures are made smaller as they are read: no model looks at so many pixels, and memory is short."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels; part of every space's preprocessing."""


def read_image(source: Path | bytes) -> Pillow.Image:
    """Read a picture as upright RGB on the fixed background.

    Raises:
        ImageError: It is missing, too large, not a picture, or damaged.
    """
    name = source.name if isinstance(source, Path) else "the upload"
    try:
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        if size > MAX_IMAGE_BYTES:
            raise ImageError(
                f"{name} has {size / 1e6:.1f} MB; send a picture of at most {MAX_IMAGE_BYTES / 1e6:.0f} MB"
            )
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
            return _decode(file, name)
    except OSError as error:
        reason = error.strerror or "damaged or not a picture"
        raise ImageError(f"cannot read {name}: {reason}; send a {', '.join(FORMATS)} picture") from error


def _decode(file: BinaryIO, name: str) -> Pillow.Image:
    try:
        picture = Pillow.open(file, formats=FORMATS)
        if picture.width * picture.height > MAX_IMAGE_PIXELS:
            raise ImageError(f"{name} is {picture.width} x {picture.height} pixels; send one of at most 50 million")
        if max(picture.size) > MAX_SIDE:
            picture.thumbnail((MAX_SIDE, MAX_SIDE))
        return _flat(ImageOps.exif_transpose(picture))
    except (Pillow.DecompressionBombWarning, Pillow.DecompressionBombError) as error:
        raise ImageError(f"{name} unpacks to too many pixels; send one of at most 50 million") from error
    except (ValueError, SyntaxError, EOFError) as error:
        raise ImageError(f"cannot read {name}: damaged; send a {', '.join(FORMATS)} picture") from error


def _flat(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode.startswith("I;16"):  # Pillow would cut off all above 255 instead of scaling
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    canvas = Pillow.new("RGBA", picture.size, (*BACKGROUND, 255))
    return Pillow.alpha_composite(canvas, picture.convert("RGBA")).convert("RGB")
