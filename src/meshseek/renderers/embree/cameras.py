"""Where the views are taken from, and the camera file that says so.

World: Z up, the front of the object towards -Y, its box centred, its longest side 1. Camera: x right, y down,
z forward; the picture's centre lies on the z axis and the field of view is square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from meshseek.renderers.embree.arrays import Doubles, Floats

FIELD_OF_VIEW = math.radians(30)
"""Narrow, as a photographer takes furniture: near and far parts keep their proportions."""
FIRST_AZIMUTH = math.radians(35)
"""The first view, which becomes the thumbnail, shows the front and some of the right side."""
ELEVATIONS = (math.radians(25), math.radians(10))
FLAT = 0.25
"""An object that is less high than this is flat."""
FLAT_LIFT = math.radians(25)
"""How much higher the cameras are for a sheet of paper."""
FILL = 0.88
"""How much of the picture's width or height the object takes."""
NEAREST = 0.3
"""The least distance of the camera from the object."""
CENTRING_STEPS = 4
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A pinhole camera with square pixels; origin and axes are (3,) float64 in world coordinates."""

    origin: Doubles
    x: Doubles
    y: Doubles
    z: Doubles

    def directions(self, pixels: Floats, size: int) -> Floats:
        """Unit vectors (n, 3) through picture positions (n, 2), in pixels from the upper left corner."""
        plane = (pixels * np.float32(2 / size) - 1) * np.float32(math.tan(FIELD_OF_VIEW / 2))
        x, y, z = np.array([self.x, self.y, self.z], np.float32)
        ahead: Floats = plane[:, :1] * x + plane[:, 1:] * y + z
        ahead /= np.sqrt(1 + np.einsum("ij,ij->i", plane, plane))[:, None]
        return ahead

    def document(self, points: Floats) -> dict[str, Any]:
        """Return the camera as the JSON of the G-Objaverse layout; ``points`` (n, 3) are the object's vertices."""
        depths = np.einsum("ij,j->i", points, self.z) - self.origin @ self.z
        return {
            "format_version": FORMAT_VERSION,
            "origin": self.origin.tolist(),
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "z": self.z.tolist(),
            "x_fov": FIELD_OF_VIEW,
            "y_fov": FIELD_OF_VIEW,
            "bbox": [points.min(axis=0).tolist(), points.max(axis=0).tolist()],
            "max_depth": float(depths.max()),
        }


def orbit(views: int, height: float) -> list[Doubles]:
    """Unit vectors (3,) from the object to each viewpoint: even steps around it, higher and lower in turn.

    Args:
        views: How many.
        height: The object's height, its longest side being 1: flat things are seen from higher up.
    """
    directions = []
    lift = FLAT_LIFT * max(1 - height / FLAT, 0.0)
    for viewpoint in range(views):
        azimuth = FIRST_AZIMUTH + 2 * math.pi * viewpoint / views
        elevation = ELEVATIONS[viewpoint % len(ELEVATIONS)] + lift
        level = math.cos(elevation)
        directions.append(np.array([math.sin(azimuth) * level, -math.cos(azimuth) * level, math.sin(elevation)]))
    return directions


def fit(points: Floats, direction: Doubles) -> Camera:
    """Place a camera in a direction so that the points just fill its picture.

    A point is in the picture when ``|x - shift| <= slope * (z + distance)`` in camera axes, which is linear in both
    unknowns: the extremes of ``x - slope * z`` and ``-x - slope * z`` give the least distance, for each picture axis by
    itself. At the greater of the two distances the object is then centred.

    Args:
        points: The object's vertices (n, 3) in world coordinates.
        direction: Unit vector (3,) from the object to the camera; not vertical.
    """
    z = -direction
    x = np.cross(z, (0.0, 0.0, 1.0))
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    slope = math.tan(FIELD_OF_VIEW / 2) * FILL
    depth = np.einsum("ij,j->i", points, z)
    distance = NEAREST - float(depth.min())
    across = [np.einsum("ij,j->i", points, axis) for axis in (x, y)]
    for places in across:
        right, left = (places - slope * depth).max(), (-places - slope * depth).max()
        distance = max(distance, float(right + left) / (2 * slope))
    shifts = [_centred(places, depth + distance) for places in across]
    return Camera(origin=x * shifts[0] + y * shifts[1] - z * distance, x=x, y=y, z=z)


def _centred(places: Floats, depths: Floats) -> float:
    """How far to move sideways so that points at these places (n,) and depths (n,) lie evenly about the middle."""
    shift = 0.0
    middle = float(depths.mean())
    for _ in range(CENTRING_STEPS):
        seen = (places - shift) / depths
        shift += float(seen.max() + seen.min()) / 2 * middle
    return shift
