"""How large a model is: the box of what a GLB shows, in its own axes and units.

The box is exact: every vertex of a surface is turned and moved with its node, or its skin, as it stands at rest. The
box of a turned box would be too large. Where that is not possible, it is what the file states of its positions that is
turned, and the box may be too large: for compressed positions, which nothing here decodes, and beyond
:data:`MOST_POINTS`. Morph targets are left as they are at rest, which is without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from meshseek.meshes.accessors import Accessors, opened
from meshseek.meshes.gltf import GlbFile, read_glb
from meshseek.meshes.placing import Rig, is_drawn, placements

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.meshes.gltf_schema import Node, Primitive

    Doubles = NDArray[np.float64]

MOST_POINTS = 50_000_000
"""So many vertices are turned one by one in one model; of the others, only their box."""
MOST_PARTS = 100_000
"""A model that shows more primitives, one mesh shown twice counting twice, is not measured."""
_LOT = 1 << 16


@dataclass(frozen=True, slots=True)
class Box:
    """Along x (the width), y (up) and z (the depth)."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def sides(self) -> tuple[float, float, float]:
        """Width, height and depth."""
        x, y, z = (high - low for low, high in zip(self.low, self.high, strict=True))
        return x, y, z


def measure_glb(path: Path) -> Box | None:
    """The box of what a GLB shows.

    Returns:
        None where the file does not tell, or shows nothing that has an extent.

    Raises:
        UnreadableAssetError: It is not a whole GLB 2.0 file with faces.
        OSError: It cannot be read.
    """
    glb = read_glb(path)
    with opened(glb) as accessors, np.errstate(all="ignore"):
        return _Measurement(glb, accessors).box()


class _Measurement:
    """One model while it is measured."""

    def __init__(self, glb: GlbFile, accessors: Accessors) -> None:
        self._tree = glb.tree
        self._accessors = accessors
        self._places = placements(glb.tree)
        self._rig = Rig(glb.tree, accessors, self._places)
        self._left = MOST_POINTS
        self._boxes: dict[tuple[int, int | None], Doubles | None] = {}

    def box(self) -> Box | None:
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        for count, (node, primitive, place) in enumerate(self._parts()):
            bounds = None if count >= MOST_PARTS else self._bounds(node, primitive, place)
            if bounds is None:
                return None  # without this part the box would be too small
            low, high = np.minimum(low, bounds[0]), np.maximum(high, bounds[1])
        sides = high - low
        if not np.isfinite(sides).all() or not (sides > 0).any():
            return None
        return Box(tuple(low.tolist()), tuple(high.tolist()))

    def _parts(self) -> Iterator[tuple[Node, Primitive, Doubles]]:
        for number, place in self._places.items():
            node = self._tree.nodes[number]
            if node.mesh is not None:
                for primitive in self._tree.meshes[node.mesh].primitives:
                    if is_drawn(primitive):
                        yield node, primitive, place

    def _bounds(self, node: Node, primitive: Primitive, place: Doubles) -> Doubles | None:
        """Lowest and highest position (2, 3) in the world; infinite and empty where a part has no vertices."""
        key = (primitive.attributes["POSITION"], primitive.indices)
        stored = self._accessors.rows(key[0])
        skinning = self._rig.skinning(node, primitive) if stored is not None else None
        if stored is None or self._left < len(stored):
            return _turned(self._accessors.declared(key[0]), place)
        if skinning is None and _keeps_axes(place):
            return _turned(self._own_bounds(key, stored), place)
        self._left -= len(stored)
        if skinning is not None:
            return self._joined(key, stored, skinning.moved)
        return self._joined(key, stored, lambda points, _: points @ place[:3, :3].T + place[:3, 3])

    def _own_bounds(self, key: tuple[int, int | None], stored: NDArray[np.float64]) -> Doubles | None:
        """Those of a part as its mesh has it, found once however often the mesh is shown."""
        if key not in self._boxes:
            self._left -= len(stored)
            self._boxes[key] = self._joined(key, stored, lambda points, _: points)
        return self._boxes[key]

    def _joined(
        self, key: tuple[int, int | None], stored: NDArray[np.float64], moved: Callable[[Doubles, slice], Doubles]
    ) -> Doubles | None:
        """Those of the vertices that faces have, lot by lot, each where it is moved to."""
        used = self._used(key[1], len(stored))
        bounds = _EMPTY
        for start in range(0, len(stored), _LOT):
            rows = slice(start, start + _LOT)
            points = self._accessors.real(key[0], stored[rows])
            bounds = _joined(bounds, moved(points, rows)[_shown(points, used, rows)])
        return bounds

    def _used(self, indices: int | None, count: int) -> NDArray[np.bool_] | None:
        """Which of the vertices (count,) any face has: exporters let many parts share one long list."""
        stored = None if indices is None else self._accessors.rows(indices)
        if stored is None or self._left < len(stored):
            return None
        self._left -= len(stored)
        used = np.zeros(count, np.bool_)
        for start in range(0, len(stored), _LOT):
            numbers = stored[start : start + _LOT, 0]
            used[numbers[numbers < count]] = True
        return used


_EMPTY = np.array([[np.inf] * 3, [-np.inf] * 3])


def _shown(points: Doubles, used: NDArray[np.bool_] | None, rows: slice) -> NDArray[np.bool_]:
    """Which of some vertices (n,) count: those that a face has and that are somewhere."""
    somewhere = np.asarray(np.isfinite(points).all(axis=1))
    return somewhere if used is None else somewhere & used[rows]


def _joined(bounds: Doubles, points: Doubles) -> Doubles:
    """Bounds (2, 3) that hold more points (n, 3)."""
    lows, highs = points.min(axis=0, initial=np.inf), points.max(axis=0, initial=-np.inf)
    return np.array([np.minimum(bounds[0], lows), np.maximum(bounds[1], highs)])


def _turned(bounds: Doubles | None, place: Doubles) -> Doubles | None:
    """Bounds of the eight corners of bounds, placed in the world."""
    if bounds is None or bounds[0, 0] > bounds[1, 0]:
        return bounds
    corners = np.array(list(product(*bounds.T)))
    return _joined(_EMPTY, corners @ place[:3, :3].T + place[:3, 3])


def _keeps_axes(place: Doubles) -> bool:
    """Whether boxes stay boxes: each axis becomes one axis."""
    return bool((np.count_nonzero(place[:3, :3], axis=1) <= 1).all())
