"""Pictures as Qwen's processor wants them; runs in processes without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image as Pillow

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SHAPE: Final = 200
"""The processor refuses a picture that is longer than so many times its width."""


@dataclass(frozen=True, slots=True)
class CellSize:
    """Resizes a picture to whole cells of patches, in the stead of Qwen's own processor and by its arithmetic."""

    cell: int
    least: int
    most: int
    """Bounds of the number of pixels."""
    resample: int

    def __call__(self, image: Image) -> Image:
        """A smaller picture."""
        height, width = self.size(image.height, image.width)
        return image.resize((width, height), Pillow.Resampling(self.resample))

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the resized picture."""
        longest, shortest = max(height, width), min(height, width)
        if longest > LONGEST_SHAPE * shortest:
            shortest = math.ceil(longest / LONGEST_SHAPE)
            height, width = max(height, shortest), max(width, shortest)
        # Shrinking and growing start from the given size, not from the rounded one: so does the processor.
        rows, columns = (round(side / self.cell) for side in (height, width))
        if rows * columns * self.cell**2 > self.most:
            shrink = math.sqrt(height * width / self.most)
            rows, columns = (max(1, math.floor(side / shrink / self.cell)) for side in (height, width))
        elif rows * columns * self.cell**2 < self.least:
            grow = math.sqrt(self.least / (height * width))
            rows, columns = (math.ceil(side * grow / self.cell) for side in (height, width))
        return rows * self.cell, columns * self.cell
