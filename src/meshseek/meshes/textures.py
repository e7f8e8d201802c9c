"""Texture pictures, made fit for a GLB; what already fits is not compressed a second time."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from meshseek.untrusted.pictures import BOMBS, DAMAGED, TEXTURES

AlphaMode = Literal["OPAQUE", "MASK", "BLEND"]

MAX_SIDE = 1024
"""Pixels; larger textures cost space and show no more at the size of a view."""

MAX_PIXELS = 100_000_000
"""Of one texture, and of all textures of a model together that are not made smaller at import."""
_OPAQUE_FROM = 250
_SOLID_BELOW, _SOLID_FROM = 26, 230


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """An encoded picture."""

    data: bytes
    mime: str
    alpha_mode: AlphaMode


def read_texture(data: bytes) -> Texture:
    """Check a picture, and shrink or convert it where glTF needs it.

    Raises:
        ValueError: It is not a picture, or it is damaged or too large.
    """
    try:
        with Image.open(io.BytesIO(data), formats=TEXTURES) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels are too many")
            alpha_mode = _alpha_mode(picture)
            mime = Image.MIME.get(picture.format or "", "")
            fits = max(picture.size) <= MAX_SIDE and mime in {"image/png", "image/jpeg"}
            if fits and picture.mode in {"1", "L", "LA", "P", "RGB", "RGBA"}:
                return Texture(data=data, mime=mime, alpha_mode=alpha_mode)
            return _encode(picture, alpha_mode)
    except (OSError, *DAMAGED, *BOMBS) as error:
        raise ValueError(f"not a readable picture ({error})") from error


def pixels_of(data: bytes) -> int:
    """How many pixels a picture has; 0 where the data do not begin like one of a format that is read.

    The rest of it may be damaged.
    """
    try:
        with Image.open(io.BytesIO(data), formats=TEXTURES) as picture:
            return picture.width * picture.height
    except (OSError, *DAMAGED, *BOMBS):
        return 0


def _alpha_mode(picture: Image.Image) -> AlphaMode:
    """Cut-outs such as leaves draw best as a mask, glass and gauze as a blend."""
    if picture.mode not in {"RGBA", "LA", "PA"} and "transparency" not in picture.info:
        return "OPAQUE"
    histogram = picture.convert("RGBA").getchannel("A").histogram()
    see_through = sum(histogram[:_OPAQUE_FROM])
    soft = sum(histogram[_SOLID_BELOW:_SOLID_FROM])
    if not see_through:
        return "OPAQUE"
    return "BLEND" if soft * 2 > see_through else "MASK"


def _encode(picture: Image.Image, alpha_mode: AlphaMode) -> Texture:
    whole = picture.convert("RGB" if alpha_mode == "OPAQUE" else "RGBA")
    whole.thumbnail((MAX_SIDE, MAX_SIDE))
    buffer = io.BytesIO()
    if alpha_mode == "OPAQUE":
        whole.save(buffer, "JPEG", quality=90)
        return Texture(data=buffer.getvalue(), mime="image/jpeg", alpha_mode=alpha_mode)
    whole.save(buffer, "PNG")
    return Texture(data=buffer.getvalue(), mime="image/png", alpha_mode=alpha_mode)
