"""How surfaces look: what the renderer takes from a glTF material."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from meshseek.renderers.embree.textures import Texture
from meshseek.untrusted.pictures import BOMBS, DAMAGED

PLAIN_GREY = 0.6
"""Linear base colour of a mesh that says nothing about its looks."""
DEFAULT_CUTOFF = 0.5
CLEAR = 0.95
"""A blended surface whose own alpha is below this is taken for glass, not for a cut-out picture."""
GLASS_ROUGHNESS = 0.15
LEAST_ROUGHNESS = 0.05
LEAST_ALPHA = 1e-3
BYTE = 255
MASK, BLEND = "MASK", "BLEND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """How a surface looks; colours are linear in 0..1."""

    base: tuple[float, float, float, float] = (PLAIN_GREY, PLAIN_GREY, PLAIN_GREY, 1.0)
    glow: tuple[float, float, float] = (0.0, 0.0, 0.0)
    metallic: float = 0.0
    roughness: float = 0.9
    transparent: bool = False
    clear: bool = False
    """Glass: it mirrors even where it lets light through."""
    texture: Texture | None = None
    glow_texture: Texture | None = None


def read_material(source: Any, *, painted: bool) -> Material:
    """Read the looks of one mesh.

    Args:
        source: trimesh's material; None where the mesh has none.
        painted: Its vertices have colours.
    """
    if source is None:
        return Material(base=(1.0, 1.0, 1.0, 1.0)) if painted else Material()
    return _from_pbr(source)


def _from_pbr(source: Any) -> Material:
    given = (BYTE,) * 4 if source.baseColorFactor is None else source.baseColorFactor
    red, green, blue, alpha = (float(value) / BYTE for value in given)
    cutoff = DEFAULT_CUTOFF if source.alphaCutoff is None else float(source.alphaCutoff)
    image = _image(source.baseColorTexture)
    masked, blended = source.alphaMode == MASK, source.alphaMode == BLEND
    clear = blended and alpha < CLEAR
    texture = None
    if image is not None:
        edge = cutoff / max(alpha, LEAST_ALPHA) if masked else None
        texture = Texture(image=image, transparent=masked or blended, cutoff=edge)
    if not blended:
        alpha = float(not masked or alpha >= cutoff or image is not None)
    metallic, roughness = _metal_rough(source)
    glow, glow_texture = _glow(source)
    return Material(
        base=(red, green, blue, alpha),
        glow=glow,
        metallic=metallic,
        roughness=min(roughness, GLASS_ROUGHNESS) if clear else roughness,
        transparent=masked or blended,
        clear=clear,
        texture=texture,
        glow_texture=glow_texture,
    )


def _glow(source: Any) -> tuple[tuple[float, float, float], Texture | None]:
    if source.emissiveFactor is None:
        return (0.0, 0.0, 0.0), None
    red, green, blue = (max(float(value), 0.0) for value in source.emissiveFactor[:3])
    image = _image(source.emissiveTexture) if red + green + blue > 0 else None
    return (red, green, blue), None if image is None else Texture(image=image, transparent=False)


def _metal_rough(source: Any) -> tuple[float, float]:
    """Factors times the mean of their texture: one value for the whole surface is enough for a small picture."""
    metallic = 1.0 if source.metallicFactor is None else float(source.metallicFactor)
    roughness = 1.0 if source.roughnessFactor is None else float(source.roughnessFactor)
    image = _image(source.metallicRoughnessTexture)
    if image is not None:
        mean = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
        metallic, roughness = metallic * mean[2] / BYTE, roughness * mean[1] / BYTE
    return min(max(metallic, 0.0), 1.0), min(max(roughness, LEAST_ROUGHNESS), 1.0)


def _image(value: Any) -> Image.Image | None:
    """Return a picture whose pixels can be read, else None: the surface then shows its plain colour."""
    if not isinstance(value, Image.Image):
        return None
    try:
        value.load()
    except (OSError, *DAMAGED, *BOMBS):
        return None
    return value if min(value.size) > 0 else None
