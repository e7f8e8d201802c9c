"""Polygons to triangles: fans for convex ones, ear clipping for the few that bend inwards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Point = tuple[float, float]

_MAX_CLIPPED = 256
"""Larger concave polygons stay fans, as clipping takes time with the square of their corners."""
_DENT = 1e-3


def triangulate(counts: Ints, positions: Floats) -> tuple[Ints, Ints]:
    """Cut polygons into triangles.

    Args:
        counts: (polygons,): number of corners of each; below three gives no triangle.
        positions: (corners, 3): the corners of all polygons, one after another.

    Returns:
        (triangles, 3) numbers of corners, and the polygon that each triangle came from.
    """
    per_polygon = np.maximum(counts - 2, 0)
    owners = np.repeat(np.arange(len(counts)), per_polygon)
    starts = np.cumsum(counts) - counts
    first_triangles = np.cumsum(per_polygon) - per_polygon
    steps = np.arange(len(owners)) - first_triangles[owners]
    triangles = starts[owners][:, None] + np.stack([np.zeros_like(steps), steps + 1, steps + 2], axis=1)
    for polygon, normal in _concave(counts, positions, triangles, owners):
        if counts[polygon] <= _MAX_CLIPPED:
            start, first = starts[polygon], first_triangles[polygon]
            flat = _flatten(positions[start : start + counts[polygon]], normal)
            triangles[first : first + per_polygon[polygon]] = start + np.array(_clip_ears(flat))
    return triangles, owners


def _concave(counts: Ints, positions: Floats, triangles: Ints, owners: Ints) -> list[tuple[int, Floats]]:
    """Polygons whose fan turns back on itself, with their normals."""
    rows = np.flatnonzero(counts[owners] > 3)  # noqa: PLR2004 - a triangle is never concave
    if not len(rows):
        return []
    a, b, c = (positions[triangles[rows, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    owners = owners[rows]
    changes = np.flatnonzero(np.diff(owners, prepend=-1))
    lengths = np.diff(changes, append=len(owners))
    sums = np.add.reduceat(normals, changes)
    whole = np.repeat(sums, lengths, axis=0)
    backward = np.einsum("ij,ij->i", normals, whole) < -_DENT * np.einsum("ij,ij->i", whole, whole)
    groups = np.unique(np.repeat(np.arange(len(changes)), lengths)[backward])
    return [(int(owners[changes[group]]), sums[group]) for group in groups]


def _flatten(points: Floats, normal: Floats) -> list[Point]:
    """The polygon in the plane that it nearly lies in, counter-clockwise."""
    axis = int(np.abs(normal).argmax())
    first, second = ((1, 2), (2, 0), (0, 1))[axis]
    if normal[axis] < 0:
        first, second = second, first
    pairs: Any = points[:, (first, second)].tolist()
    return [(x, y) for x, y in pairs]


def _clip_ears(points: list[Point]) -> list[tuple[int, int, int]]:
    """Cut off one corner after another that holds no other corner; a polygon that crosses itself ends as a fan."""
    left = list(range(len(points)))
    triangles = []
    while len(left) > 3:  # noqa: PLR2004 - the last three are a triangle
        ear = next((place for place in range(len(left)) if _is_ear(points, left, place)), 1)
        triangles.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return [*triangles, (left[0], left[1], left[2])]


def _is_ear(points: list[Point], left: list[int], place: int) -> bool:
    a, b, c = points[left[place - 1]], points[left[place]], points[left[(place + 1) % len(left)]]
    if _turn(a, b, c) <= 0:
        return False
    return not any(
        _turn(a, b, point) >= 0 and _turn(b, c, point) >= 0 and _turn(c, a, point) >= 0
        for point in map(points.__getitem__, left)
        if point not in (a, b, c)
    )


def _turn(a: Point, b: Point, c: Point) -> float:
    """Twice the area of a triangle; positive when it turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
