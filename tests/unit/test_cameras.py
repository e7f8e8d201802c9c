"""Where the renderer puts its cameras."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from meshseek.renderers.embree.arrays import Floats
from meshseek.renderers.embree.cameras import ELEVATIONS, FIELD_OF_VIEW, FILL, Camera, fit, orbit

SIZE = 100
CUBE = (np.indices((2, 2, 2)).reshape(3, -1).T - 0.5).astype(np.float32)
LEANING = np.array([[-0.5, 0, -0.2], [0.5, 0.1, -0.2], [0.1, -0.2, 0.2], [0.3, 0.2, 0.1]], np.float32)


def project(camera: Camera, points: Floats) -> Floats:
    """Picture positions (n, 2) of world points (n, 3), in pixels."""
    seen = (points - camera.origin) @ np.stack([camera.x, camera.y, camera.z], axis=1)
    plane = seen[:, :2] / seen[:, 2:] / math.tan(FIELD_OF_VIEW / 2)
    return ((plane + 1) * SIZE / 2).astype(np.float32)


@pytest.mark.parametrize("points", [CUBE, LEANING], ids=["cube", "leaning"])
@pytest.mark.parametrize("viewpoint", range(8))
def test_object_just_fills_the_picture(points: Floats, viewpoint: int) -> None:
    """The object is centred and takes its share of the wider direction."""
    places = project(fit(points, orbit(8, 1.0)[viewpoint]), points)

    low, high = places.min(axis=0), places.max(axis=0)

    assert (high - low).max() == pytest.approx(FILL * SIZE, rel=0.02)
    assert (low + high) / 2 == pytest.approx([SIZE / 2, SIZE / 2], abs=1)


def test_axes_are_right_down_and_forward() -> None:
    """The camera's axes are at right angles, y points down, and z points at the object."""
    camera = fit(CUBE, orbit(8, 1.0)[3])
    axes = np.stack([camera.x, camera.y, camera.z])

    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.cross(camera.x, camera.y) == pytest.approx(camera.z)
    assert camera.x[2] == pytest.approx(0)
    assert camera.y[2] < 0
    assert camera.z @ -camera.origin > 0


def test_first_view_shows_front_right_and_top() -> None:
    """The thumbnail is a three-quarter view: from the front (-Y), somewhat from the right (+X), from above."""
    x, y, z = orbit(8, 1.0)[0]

    assert y < -x < 0
    assert z == pytest.approx(math.sin(ELEVATIONS[0]))


def test_viewpoints_go_around_evenly_and_change_height() -> None:
    """Neighbours are one step apart around the object and differ in elevation."""
    directions = np.array(orbit(6, 1.0))
    steps = np.diff(np.unwrap(np.arctan2(directions[:, 1], directions[:, 0])))

    assert steps == pytest.approx(np.full(5, math.radians(60)))
    assert np.arcsin(directions[:, 2]) == pytest.approx(ELEVATIONS * 3)


def test_flat_things_are_seen_from_higher_up() -> None:
    """A sheet of paper is not seen edge on."""
    assert orbit(2, 0.0)[1][2] > orbit(2, 0.1)[1][2] > orbit(2, 0.5)[1][2] == orbit(2, 1.0)[1][2]


def test_direction_through_a_pixel_meets_the_point_seen_there() -> None:
    """Sending a ray is the reverse of projecting."""
    camera = fit(LEANING, orbit(8, 1.0)[5])

    directions = camera.directions(project(camera, LEANING).astype(np.float32), SIZE)

    towards = LEANING - camera.origin
    assert directions == pytest.approx(towards / np.linalg.norm(towards, axis=1)[:, None], abs=1e-5)


def test_document_has_the_keys_of_gobjaverse() -> None:
    """The camera file holds plain JSON values under the names that the G-Objaverse reader knows."""
    document = json.loads(json.dumps(fit(LEANING, orbit(8, 1.0)[0]).document(LEANING)))

    assert set(document) == {"format_version", "origin", "x", "y", "z", "x_fov", "y_fov", "bbox", "max_depth"}
    assert document["bbox"] == [LEANING.min(axis=0).tolist(), LEANING.max(axis=0).tolist()]
    assert document["x_fov"] == document["y_fov"] == FIELD_OF_VIEW
    assert document["max_depth"] > np.linalg.norm(document["origin"]) - 1
