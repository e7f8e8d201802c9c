"""What a GLB says of itself before it is shown: whether it can be, and how large the object is."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshseek.meshes.gltf_schema import UNSUPPORTED

MAGIC = b"glTF"
HEADER_BYTES = 20
FRONT = (55.0, 68.0)
"""From the front, a little from the right and from above."""
FILLING = 1.4
"""Distance of the 3D view's camera in diagonals of the model: all of it is seen however it is turned."""

Document = Mapping[str, Any]
Matrix = NDArray[np.float64]


def read_document(path: Path) -> Document:
    """The JSON of a GLB; empty where the file is not one."""
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        if header[:4] != MAGIC:
            return {}
        try:
            document = json.loads(file.read(int.from_bytes(header[12:16], "little")))
        except ValueError:
            return {}
    return document if isinstance(document, dict) else {}


def unsupported_compression(document: Document) -> str | None:
    """Name of the compression that the model cannot be shown without; None for a plain one.

    Browsers could decode some, but only with programs from another site, which the page never contacts.
    """
    required = document.get("extensionsRequired")
    return next((name for key, name in UNSUPPORTED.items() if isinstance(required, list) and key in required), None)


def diagonal(document: Document) -> float | None:
    """Length of the diagonal of the box around the model; None where the file does not tell."""
    try:
        corners = np.array(list(_corners(document)))
        length = float(np.linalg.norm(corners.max(axis=0) - corners.min(axis=0)))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return None
    return length if 0 < length < math.inf else None


def camera_position(camera: Mapping[str, Any] | None, size: float | None) -> tuple[float, float, float | None]:
    """Where the 3D view starts: two angles in degrees, and the distance, where it is known.

    Views have Z up, models Y up; the angles count from the model's X axis towards Z, and down from Y.

    Args:
        camera: A view's camera in the G-Objaverse layout, to see the model as it did; None for one from the front.
        size: The model's diagonal.
    """
    distance = size * FILLING if size else None
    try:
        x, y, z = (float(value) for value in (camera or {})["origin"])
        return math.degrees(math.atan2(-y, x)), math.degrees(math.acos(z / math.hypot(x, y, z))), distance
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return *FRONT, distance


def _corners(document: Document) -> Iterator[Matrix]:
    """The corners of the boxes around all meshes; each node is looked at once, whatever the file says of its tree."""
    waiting = [(number, np.eye(4)) for number in document["scenes"][document.get("scene", 0)]["nodes"]]
    seen = set()
    while waiting:
        number, above = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        node = document["nodes"][number]
        placed = above @ _transform(node)
        waiting += [(child, placed) for child in node.get("children", ())]
        if "mesh" not in node:
            continue
        for part in document["meshes"][node["mesh"]]["primitives"]:
            box = document["accessors"][part["attributes"]["POSITION"]]
            for corner in product(*zip(box["min"], box["max"], strict=True)):
                yield (placed @ np.array([*corner, 1.0]))[:3]


def _transform(node: Mapping[str, Any]) -> Matrix:
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    turned = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    placed = np.eye(4)
    placed[:3, :3] = turned * np.array(node.get("scale", (1.0, 1.0, 1.0)), float)
    placed[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return placed
