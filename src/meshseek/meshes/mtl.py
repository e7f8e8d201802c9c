"""MTL materials, as far as glTF's metallic-roughness model can show them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from meshseek.meshes.obj import decode_text

_GREY = (0.8, 0.8, 0.8)
"""What is shown where a material says nothing."""

_SRGB_KNEE = 0.04045
"""Where the straight part of the sRGB curve (IEC 61966-2-1) ends."""

_MOST_NUMBERS = 4
_OPTION = re.compile(
    r"-(?:blend[uv]|cc|clamp|boost|texres|imfchan|type|bm)\s+\S+\s+"
    r"|-mm(?:\s+[-+.\deE]+){2}\s+"
    r"|-[ost](?:\s+[-+.\deE]+){1,3}\s+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MtlMaterial:
    """One ``newmtl`` block: only what shows. Bump, reflection and other maps are not colours and are left out."""

    diffuse: tuple[float, float, float] = _GREY
    """sRGB."""
    opacity: float = 1.0
    roughness: float = 0.9
    texture: str | None = None
    """The file's name as written, without options."""


def parse_mtl(data: bytes) -> dict[str, MtlMaterial]:
    """Read the materials of an MTL file; lines that cannot be understood are passed over."""
    blocks: dict[str, dict[str, str]] = {}
    block: dict[str, str] = {}
    for line in decode_text(data).splitlines():
        keyword, _, rest = line.strip().replace("\t", " ").partition(" ")
        if keyword.lower() == "newmtl":
            block = blocks.setdefault(rest.strip(), {})
        elif keyword:
            block.setdefault(keyword.lower(), rest.strip())
    return {name: _material(block) for name, block in blocks.items()}


def linear(value: float) -> float:
    """One sRGB channel, cut to 0..1, as light."""
    value = min(max(value, 0.0), 1.0)
    return value / 12.92 if value <= _SRGB_KNEE else math.pow((value + 0.055) / 1.055, 2.4)


def _material(block: dict[str, str]) -> MtlMaterial:
    diffuse = _numbers(block.get("kd", ""))
    channels = {1: diffuse * 3, 3: diffuse}.get(len(diffuse), list(_GREY))
    texture = block.get("map_kd", "")
    while option := _OPTION.match(texture):
        texture = texture[option.end() :]
    red, green, blue = channels
    return MtlMaterial(
        diffuse=(red, green, blue),
        opacity=_opacity(block),
        roughness=_roughness(block),
        texture=texture.strip() or None,
    )


def _opacity(block: dict[str, str]) -> float:
    """``d`` is opacity. ``Tr`` is its opposite, but some programs write 1 there for what is plainly not invisible."""
    dissolve = _numbers(block.get("d", "").removeprefix("-halo"))
    if dissolve:
        return min(max(dissolve[0], 0.0), 1.0)
    transparency = _numbers(block.get("tr", ""))
    return 1 - transparency[0] if transparency and 0 < transparency[0] < 1 else 1.0


def _roughness(block: dict[str, str]) -> float:
    """Blinn-Phong exponents as roughness; never mirror-like, as there is nothing around to be mirrored."""
    exponent, specular = _numbers(block.get("ns", "")), _numbers(block.get("ks", ""))
    if not exponent or not any(specular):
        return 0.9
    return min(max(math.sqrt(2 / (max(exponent[0], 0) + 2)), 0.3), 0.9)


def _numbers(text: str) -> list[float]:
    try:
        values = [float(token) for token in text.split()[:_MOST_NUMBERS]]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []
