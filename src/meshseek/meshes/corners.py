"""The corners of triangles on their way to the vertices of a GLB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NORMAL_STEPS = 511
"""Normals that agree to one part in this many share a vertex."""
_NORMAL_KEYS = 1 << 30


def outward(points: NDArray[np.float32], normals: NDArray[np.float32]) -> NDArray[np.int64]:
    """Order of each triangle's corners (triangles, 3) that makes its front the side to which its normals point.

    Args:
        points: (triangles, 3, 3): the corners' coordinates.
        normals: (triangles, 3, 3): the corners' normals.
    """
    face = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    inward = np.einsum("ij,ij->i", face, normals.sum(axis=1)) < 0
    return np.where(inward[:, None], np.array([0, 2, 1]), np.array([0, 1, 2]))


def vertex_keys(
    vertices: NDArray[np.int64], others: NDArray[np.int64], normals: NDArray[np.float32], other_count: int
) -> NDArray[np.int64]:
    """One number for each corner; corners with equal numbers become one vertex of the GLB.

    Args:
        vertices: (triangles, 3): numbers of places.
        others: (triangles, 3): numbers of what else corners have, -1 for nothing.
        normals: (triangles, 3, 3).
        other_count: How many others there are.
    """
    places = vertices * (other_count + 1) + others + 1
    if places.max() >= np.iinfo(np.int64).max // _NORMAL_KEYS:
        places = np.unique(places, return_inverse=True)[1].reshape(places.shape)
    steps = np.rint(normals * _NORMAL_STEPS).astype(np.int64) + _NORMAL_STEPS
    directions = (steps[..., 0] << 20) | (steps[..., 1] << 10) | steps[..., 2]
    return places * _NORMAL_KEYS + directions
