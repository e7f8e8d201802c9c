"""Smooth shading for models that come without normals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

CREASE_DEGREES = 40.0
"""Faces that meet at a larger angle keep a hard edge; 40 looked right on the furniture library."""

_CROWDED = 256
"""A vertex of more corners (the tip of a fine cone) is shaded flat, so that time stays linear."""


def weld(positions: NDArray[Any]) -> Ints:
    """Give equal rows the same number."""
    order = np.lexsort(positions.T)
    ordered = positions[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(fresh) - 1
    return numbers


def crease_normals(points: Singles, vertices: Ints) -> Singles:
    """Normals for each corner of each triangle: the mean of the faces around its vertex that bend gently.

    Args:
        points: (triangles, 3, 3): the corners' coordinates.
        vertices: (triangles, 3): the corners' vertex numbers.

    Returns:
        (triangles, 3, 3) of length 1.
    """
    scaled = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    flat = unit(scaled)
    order = np.argsort(vertices, axis=None, kind="stable")
    vertex = vertices.ravel()[order]
    faces = order // 3
    direction, weighted = flat[faces], scaled[faces]
    total = weighted.copy()
    cosine = np.cos(np.radians(CREASE_DEGREES))
    crowded = np.bincount(vertex)[vertex] > _CROWDED
    pairs = np.flatnonzero(~crowded)
    for shift in range(1, _CROWDED):
        pairs = pairs[: np.searchsorted(pairs, len(vertex) - shift)]
        pairs = pairs[vertex[pairs] == vertex[pairs + shift]]
        if not len(pairs):
            break
        near = np.einsum("ij,ij->i", direction[pairs], direction[pairs + shift]) > cosine
        here, there = pairs[near], pairs[near] + shift
        total[here] += weighted[there]
        total[there] += weighted[here]
    result = np.empty((len(order), 3), np.float32)
    result[order] = unit(total)
    return result.reshape(points.shape)


def unit(vectors: Singles) -> Singles:
    """Scale vectors to length 1; one without a length points up."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0], np.float32)
    result: Singles = np.where(lengths > 0, vectors / np.where(lengths > 0, lengths, 1), up).astype(np.float32)
    return result
