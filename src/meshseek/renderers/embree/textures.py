"""Textures in one flat array, each with its smaller copies (mipmaps), so that any mix of them is sampled in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from meshseek.renderers.embree.arrays import Floats, Integers

MAX_SIDE = 2048
CHANNEL_MAX = 255.0


def decode_srgb(values: Floats) -> Floats:
    """Turn sRGB values in 0..1 into linear ones (IEC 61966-2-1)."""
    result: Floats = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004
    return result


def encode_srgb(values: Floats) -> Floats:
    """Turn linear values in 0..1 into sRGB ones (IEC 61966-2-1)."""
    power = 1.055 * np.power(np.maximum(values, 1e-6), 1 / 2.4) - 0.055
    result: Floats = np.where(values <= 0.0031308, values * 12.92, power)  # noqa: PLR2004
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """A picture and how its alpha counts."""

    image: Image.Image
    transparent: bool
    cutoff: float | None = None
    """Alpha from here on is opaque and the rest is not there (glTF's MASK); None blends."""

    def prepared(self, shrink: int) -> Image.Image:
        """Return the picture as premultiplied RGBA, each side divided by about ``shrink``."""
        image = self.image.convert("RGBA")
        while max(image.size) // shrink > MAX_SIDE:
            shrink *= 2
        if not self.transparent:
            image.putalpha(255)
        elif self.cutoff is not None:
            edge = self.cutoff * CHANNEL_MAX
            image.putalpha(image.getchannel("A").point([255 * (value >= edge) for value in range(256)]))
        return image.convert("RGBa").reduce(min(shrink, *image.size)) if shrink > 1 else image.convert("RGBa")


class Atlas:
    """All textures of a model with their mipmaps.

    Filtering happens on sRGB bytes with premultiplied alpha: cheap, and colours do not bleed out of invisible texels.

    Args:
        textures: The pictures; a texture is known by its place in this sequence.
        shrinks: For each texture the power of two to shrink it by, because no view shows more of it.
    """

    def __init__(self, textures: Sequence[Texture], shrinks: Sequence[int]) -> None:
        self.full_sizes = np.array([texture.image.size for texture in textures], np.int64).reshape(-1, 2)
        blocks: list[NDArray[np.uint32]] = []
        rows: list[list[tuple[int, int, int]]] = []
        start = 0
        for texture, shrink in zip(textures, shrinks, strict=True):
            image = texture.prepared(shrink)
            levels = []
            while True:
                blocks.append(np.asarray(image).view(np.uint32).ravel())
                levels.append((start, image.width, image.height))
                start += image.width * image.height
                if max(image.size) == 1:
                    break
                image = image.reduce((min(2, image.width), min(2, image.height)))
            rows.append(levels)
        self._texels = np.concatenate(blocks) if blocks else np.zeros(1, np.uint32)
        self._depths = np.array([len(levels) for levels in rows], np.int64)
        deepest = max((len(levels) for levels in rows), default=1)
        padded = [levels + [levels[-1]] * (deepest - len(levels)) for levels in rows]
        self._levels = np.array(padded, np.int64).reshape(-1, deepest, 3)

    def sample(self, textures: Integers, uv: Floats, footprint: Floats) -> Floats:
        """Look colours up, bilinear in the mipmap that fits.

        Args:
            textures: Which texture (n,).
            uv: Where in it (n, 2), the origin at the lower left as trimesh has it; it repeats outside 0..1.
            footprint: How much of the full texture's side one sample covers (n,), as a fraction.

        Returns:
            Linear RGB, not premultiplied, and alpha (n, 4), all in 0..1.
        """
        largest = self._levels[textures, 0, 1:].max(axis=1)
        level = np.log2(np.maximum(footprint * largest, 1)).round().astype(np.int64)
        start, width, height = self._levels[textures, np.minimum(level, self._depths[textures] - 1)].T
        x = uv[:, 0] * width - 0.5
        y = (1 - uv[:, 1]) * height - 0.5
        left, top = np.floor(x), np.floor(y)
        columns = [(left + step).astype(np.int64) % width for step in (0, 1)]
        lines = [start + (top + step).astype(np.int64) % height * width for step in (0, 1)]
        right, low = (x - left).astype(np.float32)[:, None], (y - top).astype(np.float32)[:, None]
        upper = self._bytes(lines[0] + columns[0]) * (1 - right) + self._bytes(lines[0] + columns[1]) * right
        lower = self._bytes(lines[1] + columns[0]) * (1 - right) + self._bytes(lines[1] + columns[1]) * right
        colours: Floats = (upper * (1 - low) + lower * low) / np.float32(CHANNEL_MAX)
        colours[:, :3] = decode_srgb(np.minimum(colours[:, :3] / np.maximum(colours[:, 3:], 1e-3), 1))
        return colours

    def _bytes(self, positions: Integers) -> Floats:
        result: Floats = self._texels[positions].view(np.uint8).reshape(-1, 4).astype(np.float32)
        return result
