"""Reading pictures: from users, who may send anything, and from our own views."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image as Pillow
from PIL import ImageOps

from meshseek.errors import ImageError

MAX_IMAGE_BYTES = 10_000_000
MAX_IMAGE_PIXELS = 50_000_000
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
    with warnings.catch_warnings():
        warnings.simplefilter("error", Pillow.DecompressionBombWarning)
        try:
            picture = Pillow.open(file, formats=FORMATS)
            if picture.width * picture.height > MAX_IMAGE_PIXELS:
                raise ImageError(f"{name} is {picture.width} x {picture.height} pixels; send one of at most 50 million")
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
        except (Pillow.DecompressionBombWarning, Pillow.DecompressionBombError) as error:
            raise ImageError(f"{name} unpacks to too many pixels; send one of at most 50 million") from error
        except (ValueError, SyntaxError, EOFError) as error:
            raise ImageError(f"cannot read {name}: damaged; send a {', '.join(FORMATS)} picture") from error
    canvas = Pillow.new("RGBA", upright.size, (*BACKGROUND, 255))
    return Pillow.alpha_composite(canvas, upright).convert("RGB")
