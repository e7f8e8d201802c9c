"""No model: vectors of a made-up world, to measure Meshseek at sizes for which there is no library at hand."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.embedders.synthetic.world import World
from meshseek.errors import EmbedderError
from meshseek.model import Language, Role, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

HIDDEN = True
"""Means nothing to those who have real assets: it is offered where a library was made with it."""
DEFAULT_DIM = 768
_MODEL = re.compile(r"seed-(\d+)-likeness-(0\.\d+|1)")


class Synthetic(Embedder):
    """The space that ``meshseek bench make`` fills; a picture's vector depends on its pixels and means nothing."""

    def __init__(self, options: EmbedderOptions) -> None:
        super().__init__(options)
        self._model = options.model or model_name(0, 0.95)
        matched = _MODEL.fullmatch(self._model)
        if matched is None:
            raise EmbedderError(f"there is no synthetic world '{self._model}'; name one as in {model_name(0, 0.95)}")
        self.world = World(int(matched[1]), options.dim or DEFAULT_DIM, float(matched[2]))

    @property
    def space(self) -> Space:
        """One for each seed, likeness and dimension."""
        return Space(embedder="synthetic", model=self._model, revision="1", dim=self.world.dim, preprocessing="none")

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Vectors around what the texts' nouns mean in the made-up world."""
        del role
        return self.world.texts(list(texts))

    def world_texts(self) -> list[tuple[str, Language | None]]:
        """None: in a made-up world nothing is everyday."""
        return []

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Vectors of views of anything."""
        parts = [zlib.crc32(image.tobytes()) for image in images]
        return np.concatenate([np.empty((0, self.dim), np.float32), *(self.world.pictures(1, n) for n in parts)])


def model_name(seed: int, likeness: float) -> str:
    """How a world is named in a space."""
    return f"seed-{seed}-likeness-{likeness:g}"
