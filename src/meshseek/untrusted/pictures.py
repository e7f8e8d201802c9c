"""What is taken for a picture: Pillow knows formats that start programs, such as EPS."""

from __future__ import annotations

import struct
import zlib

from PIL import Image as Pillow

PHOTOS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What users send and views are."""
TEXTURES = (*PHOTOS, "TGA")
"""What models come with."""
DAMAGED = (
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
)
"""What decoders raise on damaged input, beside :class:`OSError`."""
BOMBS = (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning)
"""What Pillow raises where a picture has too many pixels."""


def forget_other_formats() -> None:
    """Let Pillow open nothing in this process but :data:`TEXTURES`, whoever asks it: libraries give it no list."""
    Pillow.init()  # all plug-ins are there after this, so none comes later
    for name in [name for name in Pillow.OPEN if name not in TEXTURES]:
        del Pillow.OPEN[name]
        Pillow.ID.remove(name)
