"""Parametric furniture, built from boxes and turned profiles; metres, y up, standing on the floor."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Triangles = NDArray[np.float32]
"""(triangles, 3, 3): coordinates of the corners."""
Part = tuple[Triangles, str]
"""A piece and what it is made of: ``main`` takes the asset's colour; see ``MATERIALS`` for the others."""
Point = tuple[float, float, float]

_SECTIONS = 32
_BOX_FACES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one asset differs from others of its kind."""

    style: int
    width: float
    """Factor of the usual width and depth."""
    height: float
    """Factor of the usual height."""


Build = Callable[[Form], list[Part]]


def box(size: Point, at: Point = (0, 0, 0)) -> Triangles:
    """A box; ``at`` is the middle of its underside."""
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (0.0, 1.0) for z in (-0.5, 0.5)])
    points = corners * size + at
    quads = np.array(_BOX_FACES)
    return _single(points[np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])])


def turned(profile: Sequence[tuple[float, float]], at: Point = (0, 0, 0)) -> Triangles:
    """A profile of (radius, height) pairs turned around the vertical axis."""
    angles = np.linspace(0, 2 * math.pi, _SECTIONS + 1)
    circle = np.stack([np.cos(angles), np.zeros_like(angles), np.sin(angles)], axis=1)
    rings = [circle * radius + (0, height, 0) for radius, height in profile]
    bands = []
    for low, high in itertools.pairwise(rings):
        bands.append(np.stack([low[:-1], high[:-1], high[1:]], axis=1))
        bands.append(np.stack([low[:-1], high[1:], low[1:]], axis=1))
    points = np.concatenate(bands) + at
    areas = np.linalg.norm(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), axis=1)
    return _single(points[areas > 0])


def rod(radius: float, height: float, at: Point = (0, 0, 0)) -> Triangles:
    """An upright cylinder."""
    return turned(((0, 0), (radius, 0), (radius, height), (0, height)), at)


def _single(points: NDArray[Any]) -> Triangles:
    return points.astype(np.float32)


def _at_corners(width: float, depth: float) -> Iterable[tuple[float, float]]:
    return ((x * width / 2, z * depth / 2) for x in (-1, 1) for z in (-1, 1))


def chair(form: Form) -> list[Part]:
    """Styles: plain, with armrests, with a high back."""
    side, seat = 0.45 * form.width, 0.45 * form.height
    back = (0.65 if form.style == 2 else 0.4) * form.height  # noqa: PLR2004 - the third style
    parts = [(box((0.04, seat, 0.04), (x, 0, z)), "wood") for x, z in _at_corners(side - 0.05, side - 0.05)]
    parts.append((box((side, 0.05, side), (0, seat, 0)), "main"))
    parts.append((box((side, back, 0.04), (0, seat + 0.05, 0.02 - side / 2)), "main"))
    if form.style == 1:
        for x in (-side / 2, side / 2):
            parts.append((box((0.04, 0.22, 0.04), (x, seat, side / 2 - 0.05)), "wood"))
            parts.append((box((0.06, 0.03, side), (x, seat + 0.22, 0)), "wood"))
    return parts


def stool(form: Form) -> list[Part]:
    """Styles: four legs, one foot."""
    seat, radius = 0.62 * form.height, 0.18 * form.width
    if form.style == 1:
        parts: list[Part] = [(rod(0.03, seat), "metal"), (rod(radius, 0.03), "metal")]
    else:
        parts = [(box((0.04, seat, 0.04), (x, 0, z)), "wood") for x, z in _at_corners(radius * 1.3, radius * 1.3)]
    return [*parts, (rod(radius, 0.05, (0, seat, 0)), "main")]


def table(form: Form) -> list[Part]:
    """Styles: rectangular, round."""
    top = 0.72 * form.height
    if form.style == 1:
        radius = 0.55 * form.width
        return [
            (rod(radius, 0.04, (0, top, 0)), "main"),
            (rod(0.05, top), "wood"),
            (turned(((0, 0), (radius * 0.5, 0), (radius * 0.45, 0.04), (0, 0.08))), "wood"),
        ]
    width, depth = 1.5 * form.width, 0.8 * form.width
    legs = [(box((0.07, top, 0.07), (x, 0, z)), "wood") for x, z in _at_corners(width - 0.15, depth - 0.15)]
    return [*legs, (box((width, 0.04, depth), (0, top, 0)), "main")]


def desk(form: Form) -> list[Part]:
    """Styles: three drawers, two drawers."""
    width, depth, top = 1.3 * form.width, 0.65 * form.width, 0.72 * form.height
    drawers = 3 - form.style
    parts: list[Part] = [(box((width, 0.04, depth), (0, top, 0)), "main")]
    parts.append((box((0.04, top, depth), (0.02 - width / 2, 0, 0)), "main"))
    left = width / 2 - 0.2
    parts.append((box((0.4, top, depth - 0.04), (left, 0, -0.02)), "main"))
    step = top / drawers
    for number in range(drawers):
        parts.append((box((0.36, step - 0.03, 0.02), (left, number * step + 0.015, depth / 2 - 0.03)), "wood"))
        parts.append((box((0.12, 0.02, 0.03), (left, (number + 0.5) * step, depth / 2 - 0.01)), "metal"))
    return parts


def sofa(form: Form) -> list[Part]:
    """Styles: two seats, three seats."""
    seats = 2 + form.style
    seat = 0.62 * form.width
    width, depth = seats * seat, 0.85 * form.width
    parts: list[Part] = [(box((width + 0.3, 0.3 * form.height, depth), (0, 0.08, 0)), "main")]
    parts.append((box((width + 0.3, 0.75 * form.height, 0.2), (0, 0.08, 0.1 - depth / 2)), "main"))
    parts += [(box((0.17, 0.52 * form.height, depth), (x * (width / 2 + 0.08), 0.08, 0)), "main") for x in (-1, 1)]
    for number in range(seats):
        x = (number + 0.5) * seat - width / 2
        parts.append((box((seat - 0.03, 0.13, depth - 0.22), (x, 0.08 + 0.3 * form.height, 0.1)), "cloth"))
    feet = [(box((0.06, 0.08, 0.06), (x, 0, z)), "wood") for x, z in _at_corners(width, depth - 0.15)]
    return [*parts, *feet]


def bed(form: Form) -> list[Part]:
    """Styles: single, double."""
    width, length = (0.95 + 0.65 * form.style) * form.width, 2.05
    parts: list[Part] = [(box((width, 0.3 * form.height, length), (0, 0.05, 0)), "wood")]
    parts.append((box((width, 0.95 * form.height, 0.06), (0, 0, -0.03 - length / 2)), "wood"))
    mattress = 0.05 + 0.3 * form.height
    parts.append((box((width - 0.06, 0.16, length - 0.06), (0, mattress, 0)), "cloth"))
    parts.append((box((width - 0.02, 0.08, length * 0.62), (0, mattress + 0.1, length * 0.18)), "main"))
    pillows = 1 + form.style
    for number in range(pillows):
        x = (number + 0.5) * width / pillows - width / 2
        parts.append((box((width / pillows - 0.15, 0.1, 0.4), (x, mattress + 0.15, 0.28 - length / 2)), "cloth"))
    return parts


def bookcase(form: Form) -> list[Part]:
    """Styles: three shelves, five shelves."""
    shelves = 3 + 2 * form.style
    width, height, depth = 0.8 * form.width, 0.36 * shelves * form.height, 0.3
    parts: list[Part] = [
        (box((0.03, height, depth), (x, 0, 0)), "main") for x in (0.015 - width / 2, width / 2 - 0.015)
    ]
    parts.append((box((width, height, 0.015), (0, 0, 0.01 - depth / 2)), "main"))
    step = (height - 0.03) / shelves
    return [*parts, *((box((width, 0.03, depth), (0, number * step, 0)), "main") for number in range(shelves + 1))]


def wardrobe(form: Form) -> list[Part]:
    """Styles: two doors, three doors."""
    doors = 2 + form.style
    width, height, depth = 0.5 * doors * form.width, 2.0 * form.height, 0.6
    parts: list[Part] = [(box((width, height, depth)), "wood")]
    for number in range(doors):
        x = (number + 0.5) * width / doors - width / 2
        parts.append((box((width / doors - 0.02, height - 0.14, 0.03), (x, 0.08, depth / 2)), "main"))
        parts.append((box((0.02, 0.2, 0.03), (x + width / doors / 2 - 0.06, height / 2, depth / 2 + 0.02)), "metal"))
    return parts


def floor_lamp(form: Form) -> list[Part]:
    """Styles: cone shade, drum shade."""
    return _lamp(form, pole=1.35 * form.height, shade=0.24 * form.width)


def table_lamp(form: Form) -> list[Part]:
    """Styles: cone shade, drum shade."""
    return _lamp(form, pole=0.3 * form.height, shade=0.16 * form.width)


def _lamp(form: Form, *, pole: float, shade: float) -> list[Part]:
    upper = shade if form.style else shade * 0.5
    return [
        (turned(((0, 0), (shade * 0.7, 0), (shade * 0.7, 0.02), (0.02, 0.05))), "metal"),
        (rod(0.015, pole), "metal"),
        (turned(((shade, pole), (upper, pole + shade * 1.2), (upper - 0.005, pole + shade * 1.2))), "main"),
        (turned(((0, pole), (0.035, pole + 0.05), (0, pole + 0.1))), "cloth"),
    ]


def cup(form: Form) -> list[Part]:
    """Styles: with a handle, without one."""
    radius, height = 0.04 * form.width, 0.095 * form.height
    body = turned(
        ((0, 0), (radius * 0.85, 0), (radius, height), (radius * 0.9, height), (radius * 0.75, 0.008), (0, 0.008))
    )
    if form.style:
        return [(body, "main")]
    x = radius * 1.25
    return [
        (body, "main"),
        (box((0.008, height * 0.6, 0.012), (x + 0.012, height * 0.2, 0)), "main"),
        *((box((radius * 0.6, 0.008, 0.012), (x, height * y, 0)), "main") for y in (0.2, 0.72)),
    ]


def bowl(form: Form) -> list[Part]:
    """Styles: deep, flat."""
    radius, height = 0.13 * form.width, (0.04 if form.style else 0.085) * form.height
    outer = [
        (radius * math.sin(step * math.pi / 16), height * (1 - math.cos(step * math.pi / 16))) for step in range(9)
    ]
    inner = [(r * 0.92, y + 0.008 * (1 - y / height)) for r, y in reversed(outer)]
    return [(turned(((radius * 0.4, 0), (radius * 0.4, height * 0.1))), "main"), (turned([*outer, *inner]), "main")]


def vase(form: Form) -> list[Part]:
    """Styles: round belly, slender."""
    radius, height = (0.05 if form.style else 0.09) * form.width, 0.3 * form.height
    shape = (
        (0.6, 0),
        (0.85, 0.15),
        (1, 0.35),
        (0.85, 0.6),
        (0.45, 0.8),
        (0.4, 0.9),
        (0.55, 1),
        (0.48, 1),
        (0.35, 0.88),
    )
    return [(turned([(0, 0), *((r * radius, y * height) for r, y in shape), (0, 0.85 * height)]), "main")]


def bottle(form: Form) -> list[Part]:
    """Styles: with a cork, with a cap."""
    radius, height = 0.038 * form.width, 0.29 * form.height
    shape = ((0.95, 0), (1, 0.03), (1, 0.6), (0.75, 0.7), (0.36, 0.78), (0.34, 0.97), (0, 0.97))
    stopper = rod(radius * (0.4 if form.style else 0.25), 0.025, (0, height * 0.96, 0))
    return [
        (turned([(0, 0), *((r * radius, y * height) for r, y in shape)]), "main"),
        (stopper, "metal" if form.style else "wood"),
    ]


def bench(form: Form) -> list[Part]:
    """Styles: without a back, with a back."""
    width, seat = 1.4 * form.width, 0.44 * form.height
    parts: list[Part] = [(box((width, 0.035, 0.1), (0, seat, z)), "main") for z in (-0.13, 0, 0.13)]
    parts += [(box((0.06, seat, 0.36), (x, 0, 0)), "metal") for x in (0.15 - width / 2, width / 2 - 0.15)]
    if form.style:
        parts += [(box((width, 0.1, 0.03), (0, seat + y, -0.2)), "main") for y in (0.15, 0.32)]
        parts += [
            (box((0.05, seat + 0.42, 0.03), (x, 0, -0.18)), "metal") for x in (0.15 - width / 2, width / 2 - 0.15)
        ]
    return parts
