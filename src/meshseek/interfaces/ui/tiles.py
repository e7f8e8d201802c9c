"""Tiles: an asset's view on a background that even white objects stand out from."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import BoundedSemaphore

from PIL import Image as Pillow
from PIL import ImageOps

from meshseek.errors import ImageError
from meshseek.images import FORMATS, MAX_IMAGE_PIXELS, MAX_SIDE
from meshseek.untrusted.pictures import BOMBS, DAMAGED

TILE = 384
"""Side of a tile in pixels, where no other one is asked for."""
OBJECT = 11 / 12
"""How much of its tile's side a view takes."""
CENTRE = (247, 248, 250)
EDGE = (224, 228, 234)
"""The tile's background: light, but dark enough around the middle that white objects stand out."""
METHOD = 2
"""How hard the encoder tries, of 6; the usual 4 takes twice as long, and its files are as large."""
_UNPACKING = BoundedSemaphore(2)
"""A view of as many pixels as are allowed takes 200 MB; so many are unpacked at a time."""


def write_tile(view: Path, file: Path, side: int = TILE) -> None:
    """Put a view with a transparent background on a tile.

    Args:
        view: The picture.
        file: Where the tile is written.
        side: Of the tile.

    Raises:
        ImageError: The view has too many pixels, or is damaged.
    """
    try:
        with _UNPACKING, Pillow.open(view, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_IMAGE_PIXELS:
                raise ImageError(f"a view has {picture.width} x {picture.height} pixels, and is not shown")
            if max(picture.size) > MAX_SIDE:
                picture.thumbnail((MAX_SIDE, MAX_SIDE))
            tile = on_tile(picture, side)
    except (*DAMAGED, *BOMBS, OSError) as error:
        raise ImageError("a view is damaged, and is not shown") from error
    _save(tile, file)


def write_plain_tile(file: Path, side: int = TILE) -> None:
    """A tile with nothing on it."""
    _save(_background(side), file)


def on_tile(view: Pillow.Image, side: int = TILE) -> Pillow.Image:
    """The tile of a view."""
    tile = _background(side).convert("RGBA")
    room = round(side * OBJECT)
    fitted = ImageOps.contain(view.convert("RGBA"), (room, room), Pillow.Resampling.LANCZOS)
    tile.alpha_composite(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
    return tile.convert("RGB")


def _save(tile: Pillow.Image, file: Path) -> None:
    tile.save(file, "WEBP", quality=88, method=METHOD)


@cache
def _background(side: int) -> Pillow.Image:
    glow = ImageOps.invert(Pillow.radial_gradient("L")).resize((side, side))
    return Pillow.composite(Pillow.new("RGB", (side, side), CENTRE), Pillow.new("RGB", (side, side), EDGE), glow)
