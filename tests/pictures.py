"""Pictures of every mode, depth and orientation, as files."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def odd_pictures() -> dict[str, bytes]:
    """Encoded pictures by name: noise, so that every change of a pixel changes a vector."""
    random = np.random.default_rng(0)

    def noise(*shape: int) -> Image.Image:
        return Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8))

    deep = Image.fromarray(random.integers(0, 65536, (40, 50), dtype=np.uint16))
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter
    return {
        "rgb": _encoded(noise(64, 48, 3), "PNG"),
        "large": _encoded(noise(300, 200, 3), "PNG"),
        "rgba": _encoded(noise(60, 60, 4), "PNG"),
        "grey": _encoded(noise(50, 70), "PNG"),
        "palette": _encoded(noise(40, 40, 3).quantize(16), "PNG"),
        "cmyk": _encoded(noise(40, 30, 4).convert("RGB").convert("CMYK"), "JPEG"),
        "deep": _encoded(deep, "PNG"),
        "turned": _encoded(noise(40, 80, 3), "JPEG", exif=turned),
        "dot": _encoded(noise(1, 1, 3), "PNG"),
        "strip": _encoded(noise(7, 500, 3), "PNG"),
    }


def _encoded(image: Image.Image, form: str, exif: Image.Exif | None = None) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **({"exif": exif} if exif else {}))
    return file.getvalue()
