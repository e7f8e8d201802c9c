"""The arrays that the renderer passes around."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


def unit(vectors: Floats) -> Floats:
    """Scale vectors (n, 3) to length 1; zero stays zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    result: Floats = vectors / np.maximum(lengths, 1e-20)[:, None]
    return result
