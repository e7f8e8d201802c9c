"""``qwen``: Alibaba's Qwen3-VL-Embedding, on this machine or hosted; the model's id says which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.embedders.qwen.models import DEFAULT_HOSTED, HOSTED_MODELS
from meshseek.model import Estimate, Role, Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


class Qwen(Embedder):
    """One algorithm with two engines. A hosted id is hosted; any other id or folder is local.

    Without an id: local where there are weights to look for or no key, else hosted.
    """

    def __init__(self, options: EmbedderOptions) -> None:
        super().__init__(options)
        self._engine = _engine_of(options)(options)

    @classmethod
    def lacks(cls, options: EmbedderOptions) -> str | None:
        """What the engine lacks."""
        return _engine_of(options).lacks(options)

    @property
    def space(self) -> Space:
        """The engine's."""
        return self._engine.space

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Embed texts in English or Chinese."""
        return self._engine.embed_texts(texts, role=role)

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images, as queries."""
        return self._engine.embed_images(images)

    @property
    def views_together(self) -> int | None:
        """How many views make one vector of an asset."""
        return self._engine.views_together

    def image_preparer(self) -> Callable[[Image], Any]:
        """Make pictures as small as the engine takes them."""
        return self._engine.image_preparer()

    def embed_prepared(self, images: Sequence[Any]) -> NDArray[np.float32]:
        """Embed prepared views, each by itself."""
        return self._engine.embed_prepared(images)

    def embed_together(self, views: Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        """Embed each asset's prepared views as one vector."""
        return self._engine.embed_together(views)

    def estimate_texts(self, texts: Sequence[str]) -> Estimate | None:
        """What embedding these texts would cost."""
        return self._engine.estimate_texts(texts)

    def estimate_views(self, views: Sequence[int]) -> Estimate | None:
        """What embedding so many views of each asset would cost."""
        return self._engine.estimate_views(views)


def _engine_of(options: EmbedderOptions) -> type[Embedder]:
    model = options.model or (DEFAULT_HOSTED if options.prefer_hosted else None)
    if model in HOSTED_MODELS:
        from meshseek.embedders.qwen.api import QwenApi  # noqa: PLC0415  # only the engine that is used

        return QwenApi
    from meshseek.embedders.qwen.local import QwenLocal  # noqa: PLC0415  # likewise: it is heavy

    return QwenLocal
