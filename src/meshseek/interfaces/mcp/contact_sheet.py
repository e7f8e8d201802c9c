"""One picture of many: views in a grid, each with the number by which the text names it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from meshseek.errors import ImageError
from meshseek.images import read_image

SIDE: Final = 200
"""Pixels of a tile."""
COLUMNS: Final = 5
MOST: Final = 20
"""Tiles of a sheet."""
MOST_BYTES: Final = 200_000
MIME_TYPE: Final = "image/jpeg"
"""Which every agent's model can see."""
_QUALITIES: Final = (82, 60, 40, 20, 5)
_PAPER, _INK, _NONE = (255, 255, 255), (20, 20, 20), (225, 225, 225)
_LABEL: Final = 22

Tile = tuple[str, bytes | None]
"""A number, and the picture that it stands on; None where there is none."""


def contact_sheet(tiles: Sequence[Tile]) -> bytes:
    """A JPEG of at most :data:`MOST_BYTES` with the first :data:`MOST` tiles, row by row.

    Raises:
        ValueError: There is no tile.
    """
    shown = tiles[:MOST]
    if not shown:
        raise ValueError("a contact sheet needs a tile")
    columns = min(COLUMNS, len(shown))
    sheet = Image.new("RGB", (columns * SIDE, math.ceil(len(shown) / columns) * SIDE), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_LABEL)
    for place, (label, content) in enumerate(shown):
        left, top = place % columns * SIDE, place // columns * SIDE
        picture = _picture(content)
        if picture is None:
            draw.rectangle((left + 4, top + 4, left + SIDE - 5, top + SIDE - 5), fill=_NONE)
        else:
            sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2))
        box = draw.textbbox((left + 8, top + 4), label, font)
        draw.rectangle((left, top, box[2] + 8, box[3] + 6), fill=_INK)
        draw.text((left + 8, top + 4), label, fill=_PAPER, font=font)
    return _jpeg(sheet)


def _picture(content: bytes | None) -> Image.Image | None:
    """What can be shown of a view; None where nothing can."""
    if content is None:
        return None
    try:
        picture = read_image(content)
    except ImageError:
        return None
    picture.thumbnail((SIDE, SIDE))
    return picture


def _jpeg(sheet: Image.Image) -> bytes:
    for quality in _QUALITIES:
        file = io.BytesIO()
        sheet.save(file, "JPEG", quality=quality)
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()
