"""Reading pictures: from users, who may send anything, and from our own views."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image as Pillow
from PIL.ExifTags import Base

from meshseek.errors import ImageError, UnreadableAssetError
from meshseek.untrusted.files import open_regular
from meshseek.untrusted.pictures import BOMBS, DAMAGED, PHOTOS

MAX_IMAGE_BYTES = 10_000_000
MAX_IMAGE_PIXELS = 50_000_000
MAX_SIDE = 2048
"""Larger pictures are made smaller as they are read: no model looks at so many pixels, and memory is short."""
FORMATS = PHOTOS
_CURE = f"send a {', '.join(FORMATS)} picture"
UPRIGHT: Mapping[Any, Pillow.Transpose] = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""What undoes each way in which EXIF says that a camera was held."""
BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels; part of every space's preprocessing."""


def read_image(source: Path | bytes) -> Pillow.Image:
    """Read a picture as upright RGB on the fixed background.

    Raises:
        ImageError: It is missing, too large, not a picture, or damaged.
    """
    name = source.name if isinstance(source, Path) else "the upload"
    try:
        with open_regular(source) if isinstance(source, Path) else io.BytesIO(source) as file:
            return decode(file, name)
    except OSError as error:
        raise ImageError(f"cannot read {name}: {error.strerror}; {_CURE}") from error
    except UnreadableAssetError as error:
        raise ImageError(f"cannot read {name}: it is no file; {_CURE}") from error


def decode(file: BinaryIO, name: str) -> Pillow.Image:
    """Read an open picture as upright RGB on the fixed background.

    Args:
        file: Its bytes, in memory or on the disk.
        name: What to call it where it cannot be read.

    Raises:
        ImageError: It is too large, not a picture, or damaged.
    """
    size = file.seek(0, io.SEEK_END)
    if size > MAX_IMAGE_BYTES:
        raise ImageError(f"{name} has {size / 1e6:.1f} MB; send a picture of at most {MAX_IMAGE_BYTES / 1e6:.0f} MB")
    file.seek(0)
    try:
        return _decode(file, name)
    except OSError as error:
        reason = error.strerror or "damaged or not a picture"
        raise ImageError(f"cannot read {name}: {reason}; {_CURE}") from error


def as_data_uri(image: Pillow.Image, *, side: int, quality: int) -> str:
    """A picture as a JPEG in a data URI, made smaller where its longest side has more than so many pixels."""
    small = image.convert("RGB")
    small.thumbnail((side, side))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _decode(file: BinaryIO, name: str) -> Pillow.Image:
    try:
        picture = Pillow.open(file, formats=FORMATS)
        if picture.width * picture.height > MAX_IMAGE_PIXELS:
            raise ImageError(f"{name} is {picture.width} x {picture.height} pixels; send one of at most 50 million")
        if max(picture.size) > MAX_SIDE:
            picture.thumbnail((MAX_SIDE, MAX_SIDE))
        return _flat(_upright(picture))
    except BOMBS as error:
        raise ImageError(f"{name} unpacks to too many pixels; send one of at most 50 million") from error
    except DAMAGED as error:
        raise ImageError(f"cannot read {name}: damaged; {_CURE}") from error


def _upright(picture: Pillow.Image) -> Pillow.Image:
    """Turn a photo as its camera was held; only that one tag is read, as any other may be damaged."""
    try:
        turn = UPRIGHT.get(picture.getexif().get(Base.Orientation))
    except DAMAGED:
        return picture
    return picture if turn is None else picture.transpose(turn)


def _flat(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode.startswith("I;16"):  # Pillow would cut off all above 255 instead of scaling
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    canvas = Pillow.new("RGBA", picture.size, (*BACKGROUND, 255))
    return Pillow.alpha_composite(canvas, picture.convert("RGBA")).convert("RGB")
