"""What is sent to DashScope's embedding endpoint, and what is taken from its answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshseek.embedders._vectors import to_unit_length
from meshseek.hosted import count_tokens
from meshseek.images import as_data_uri

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

SIDE: Final = 512
"""Longest side of a picture that is sent."""
QUALITY: Final = 90
CELL: Final = 32
"""A token is a square of so many pixels."""

Content = dict[str, Any]


def read_vectors(answer: Mapping[str, Any], count: int, dim: int) -> dict[int, NDArray[np.float32]]:
    """Unit vectors by index; what is no vector, or of an index that is doubled or wrong, is left out."""
    vectors: dict[int, NDArray[np.float32]] = {}
    doubled: set[int] = set()
    output = answer.get("output")
    entries = output.get("embeddings") if isinstance(output, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        index = entry.get("index") if isinstance(entry, dict) else None
        if not isinstance(index, int) or not 0 <= index < count:
            continue
        vector = _unit(entry.get("embedding"), dim)
        if index in vectors:
            doubled.add(index)
        elif vector is not None:
            vectors[index] = vector
    return {index: vector for index, vector in vectors.items() if index not in doubled}


def _unit(values: Any, dim: int) -> NDArray[np.float32] | None:
    try:
        vector = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        return None
    usable = vector.shape == (dim,) and math.isfinite(np.linalg.norm(vector)) and vector.any()
    return to_unit_length(vector) if usable else None


def encode_picture(image: Image) -> str:
    """A picture as a small JPEG in a data URI."""
    return as_data_uri(image, side=SIDE, quality=QUALITY)


def request_tokens(contents: Sequence[Content]) -> int:
    """About how many tokens a request counts."""
    tokens = 0
    for content in contents:
        pictures = len(content.get("multi_images", ())) + ("image" in content)
        tokens += count_tokens(content.get("text", "")) + pictures * (SIDE // CELL) ** 2
    return tokens
