"""Embedders: each module here turns texts and images into unit vectors for one algorithm.

To add an algorithm, add one file with one :class:`Embedder`; see ``docs/how-to/add-an-embedder.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from meshseek.model import LANGUAGES, Language, Role, Space
from meshseek.plugins import Family

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderOptions:
    """What the user, or the published space, says about the model; None means the algorithm's default."""

    model: str | None = None
    model_dir: Path | None = None


class Embedder(ABC):
    """One algorithm. Building it loads the model.

    Raises:
        EmbedderError: On construction, when the model cannot be loaded; the message says how to get it.
    """

    languages: ClassVar[tuple[Language, ...]] = LANGUAGES
    """Caption languages that get a column of their own."""

    def __init__(self, options: EmbedderOptions) -> None:
        self.options = options

    @property
    @abstractmethod
    def space(self) -> Space:
        """Where this embedder's vectors are comparable."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.space.dim

    @abstractmethod
    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Embed texts in English or Chinese.

        Args:
            texts: Any strings; they are never read as a path or a URL.
            role: What the vectors are for; some models treat the two differently.

        Returns:
            Unit vectors, shape ``(len(texts), dim)``, in the order of ``texts``.
        """

    @abstractmethod
    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images of any size.

        Returns:
            Unit vectors, shape ``(len(images), dim)``, in the order of ``images``.
        """


EMBEDDERS: Family[Embedder] = Family(__name__, Embedder)  # type: ignore[type-abstract]
