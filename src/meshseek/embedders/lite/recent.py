"""Remembers the vectors of texts that were embedded lately."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

MOST: Final = 8192
"""About 16 MB; a batch of assets has some thousand texts, and the next batch shares many of them."""


class RecentTexts:
    """Embeds texts, each once in a while; threads may share it.

    Args:
        embed: Makes unit vectors of texts, whatever their neighbours.
        dim: The length of a vector.
    """

    def __init__(self, embed: Callable[[Sequence[str]], Vectors], dim: int) -> None:
        self._embed = embed
        self._dim = dim
        self._known: dict[str, Vectors] = {}
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """The vectors of texts: float32, shape ``(len(texts), dim)``."""
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        found.update(zip(new, self._embed(new), strict=True) if new else ())
        with self._lock:
            for text in dict.fromkeys(texts):
                self._known.pop(text, None)
                self._known[text] = found[text]  # the latest stand last
            for text in list(islice(self._known, max(0, len(self._known) - MOST))):
                del self._known[text]
        return np.array([found[text] for text in texts], dtype=np.float32).reshape(len(texts), self._dim)
