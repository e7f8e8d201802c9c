"""Arithmetic of vectors that every embedder needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_unit_length(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale vectors to length one along the last axis: float32, same shape. A vector of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)
