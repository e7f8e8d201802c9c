"""Pictures as SigLIP wants them, up to the point where the device takes over; runs in processes without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image as Pillow

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_STEP: Final = 1e-5
LARGEST_SCALE: Final = 100.0
"""The reference implementation's bounds of its search for a scale: the size of a picture depends on them."""


@dataclass(frozen=True, slots=True)
class FixedSize:
    """Resizes every picture to one size, whatever its shape."""

    height: int
    width: int
    resample: int

    def __call__(self, image: Pillow.Image) -> NDArray[np.uint8]:
        """Pixels, uint8, shape ``(3, height, width)``."""
        resized = image.convert("RGB").resize((self.width, self.height), Pillow.Resampling(self.resample))
        return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))

    def __str__(self) -> str:
        return f"{self.width} x {self.height} px, Pillow {Pillow.Resampling(self.resample).name.lower()}"


@dataclass(frozen=True, slots=True)
class Patches:
    """Resizes a picture so that as many patches as allowed cover it, and keeps its shape (NaFlex)."""

    patch: int
    limit: int
    """Number of patches at most; the model pads to it."""
    resample: int

    def __call__(self, image: Pillow.Image) -> NDArray[np.uint8]:
        """Pixels, uint8, shape ``(3, rows * patch, columns * patch)``."""
        rows, columns = self.grid(image.height, image.width)
        return FixedSize(rows * self.patch, columns * self.patch, self.resample)(image)

    def __str__(self) -> str:
        resample = Pillow.Resampling(self.resample).name.lower()
        return f"at most {self.limit} patches of {self.patch} px, Pillow {resample}"

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches: the most that fit, by bisecting the scale as the reference does."""

        def covered(scale: float) -> tuple[int, int]:
            return max(1, math.ceil(height * scale / self.patch)), max(1, math.ceil(width * scale / self.patch))

        low, high = SMALLEST_STEP / 10, LARGEST_SCALE
        while high - low >= SMALLEST_STEP:
            middle = (low + high) / 2
            rows, columns = covered(middle)
            if rows * columns <= self.limit:
                low = middle
            else:
                high = middle
        return covered(low)
