"""The soft shadow on the ground, found once for a model and seen from each viewpoint."""

from __future__ import annotations

import numpy as np

from meshseek.renderers.embree.arrays import Floats
from meshseek.renderers.embree.lighting import PATTERNS, TILE, cosine_directions
from meshseek.renderers.embree.surfaces import Surfaces

CELLS = 112
RAYS = 12
REACH = 0.4
MARGIN = 0.3
"""How far the shadow may run beyond the object's box."""
DARKEST = 0.44
"""Alpha of the darkest shadow: under one half, so that the object's outline is where alpha is above."""
CONTACT = 1.5
"""The ground beside a wall sees half the sky; times this it is nearly dark."""
FALL = 1.4
"""How fast the shadow gets lighter away from what makes it."""
DEPTH = 2e-3
"""The ground lies this far under the object's lowest point."""


class Ground:
    """How dark the ground is around a model: the share of the sky above each place that the model hides."""

    def __init__(self, surfaces: Surfaces) -> None:
        low, high = surfaces.model.vertices.min(axis=0), surfaces.model.vertices.max(axis=0)
        self.height = float(low[2]) - DEPTH
        self._low = low[:2] - MARGIN
        self._size = high[:2] - low[:2] + 2 * MARGIN
        self._cells = np.maximum((CELLS * self._size / self._size.max()).astype(np.int64), TILE)
        columns, rows = np.meshgrid(np.arange(self._cells[0]), np.arange(self._cells[1]))
        patterns = (rows % TILE * TILE + columns % TILE).ravel()
        places = (np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5) / self._cells * self._size + self._low
        origins = np.column_stack([places, np.full(len(places), self.height)]).astype(np.float32)
        hidden = np.zeros(len(places), np.float32)
        directions = cosine_directions(RAYS)
        for ray in range(RAYS):
            hidden += surfaces.blocked(origins, directions[patterns, ray], REACH)
        hidden = _blur((hidden / np.float32(RAYS)).reshape(columns.shape))
        self._alpha = np.minimum(hidden * CONTACT, 1) ** FALL * self._fade()

    def alpha(self, origin: Floats, directions: Floats) -> Floats:
        """Shadow (n,) as alpha of black, for rays (n, 3) from one origin (3,)."""
        result = np.zeros(len(directions), np.float32)
        rows = np.flatnonzero(directions[:, 2] < 0)
        steps = (self.height - origin[2]) / directions[rows, 2]
        places = origin[:2] + directions[rows, :2] * steps[:, None]
        x, y = ((places - self._low) / self._size * self._cells - 0.5).T
        limits = self._cells - 1
        inside = (x >= 0) & (y >= 0) & (x < limits[0]) & (y < limits[1])
        x, y, rows = x[inside], y[inside], rows[inside]
        left, top = x.astype(np.int64), y.astype(np.int64)
        right, low = x - left, y - top
        upper = self._alpha[top, left] * (1 - right) + self._alpha[top, left + 1] * right
        lower = self._alpha[top + 1, left] * (1 - right) + self._alpha[top + 1, left + 1] * right
        result[rows] = upper * (1 - low) + lower * low
        return result

    def _fade(self) -> Floats:
        """Let the shadow end before the edge of the map (rows, columns)."""
        columns, rows = (
            np.clip(np.minimum(np.arange(count) + 0.5, count - np.arange(count) - 0.5) / (count * 0.12), 0, 1)
            for count in self._cells
        )
        result: Floats = (DARKEST * rows[:, None] * columns[None, :]).astype(np.float32)
        return result


def _blur(values: Floats) -> Floats:
    """Average over one tile, twice, so that each place counts every pattern and the result stays centred."""
    for shift in (0, 1):
        padded = np.pad(values, (TILE // 2 - shift, TILE // 2 - 1 + shift), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (TILE, TILE))
        values = windows.sum(axis=(2, 3)) / PATTERNS
    return values
