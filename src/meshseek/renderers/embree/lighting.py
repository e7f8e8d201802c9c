"""A small photo studio: a soft key light that turns with the camera, a fill light, sky, floor, and what blocks them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meshseek.renderers.embree.arrays import Floats, Integers, unit
from meshseek.renderers.embree.cameras import Camera
from meshseek.renderers.embree.surfaces import Surfaces

TILE = 4
"""Pixels take turns with the directions in which they look for blockers, in tiles of 4 x 4."""
PATTERNS = TILE * TILE
AMBIENT_RAYS = 4
FEWER_RAYS = 2
"""Enough where several samples of one pixel are averaged."""
AMBIENT_REACH = 0.35
"""Things farther away than this do not darken a place, so that the inside of a cupboard is not black."""
KEY_REACH = 3.0
KEY_SOFTNESS = 0.16
"""Radius of the key light as seen from the object, in units of its distance."""
LIFT = 1e-3
"""Rays start this far above the surface, so that paper-thin layers do not shade each other."""
SKY = 0.75
FLOOR = 0.28
CEILING = 1.15
"""What mirrors show above them."""
KEY = 0.58
FILL = 0.10
LEAST_AMBIENT = 0.22
DIELECTRIC = 0.04
"""Share of light that a non-metal reflects straight on (glTF's default)."""
SHOULDER = 0.65
"""Up to here tones are kept as they are."""
WHITEST = 0.9
"""The brightest tone, linear: a white object stays darker than a white page."""
SAME_PLANE = 0.02
SAME_FACING = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """n places on surfaces that are to be lit; vectors are unit."""

    points: Floats
    """(n, 3)"""
    flats: Floats
    """(n, 3) normals of the faces, towards the camera"""
    normals: Floats
    """(n, 3) smooth normals, towards the camera"""
    views: Floats
    """(n, 3) from the camera to the place"""
    albedo: Floats
    """(n, 3) linear"""
    metallic: Floats
    """(n,)"""
    roughness: Floats
    """(n,)"""


@dataclass(frozen=True, slots=True)
class Lights:
    """Unit vectors (3,) towards the lights."""

    key: Floats
    fill: Floats


def lights(camera: Camera) -> Lights:
    """Put the key light to the upper left of the camera and the fill light to its right."""
    up = np.array([0.0, 0.0, 1.0])
    back = -camera.z * (1, 1, 0)
    back /= np.linalg.norm(back)
    key = -0.55 * camera.x + 0.5 * back + 0.75 * up
    fill = 0.8 * camera.x + 0.5 * back + 0.15 * up
    return Lights((key / np.linalg.norm(key)).astype(np.float32), (fill / np.linalg.norm(fill)).astype(np.float32))


def cosine_directions(rays: int) -> Floats:
    """Directions (PATTERNS, rays, 3) about +Z, as dense as the cosine; each pattern by itself is spread well."""
    pattern = np.arange(PATTERNS)[:, None]
    ray = np.arange(rays)[None, :]
    turn = 2 * np.pi * (ray + (pattern * 7 % PATTERNS + 0.5) / PATTERNS) / rays
    radius = np.sqrt(((pattern + 0.5) / PATTERNS + ray * 0.618034) % 1)
    z = np.sqrt(1 - radius**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), z], axis=2).astype(np.float32)


AMBIENT_DIRECTIONS = cosine_directions(AMBIENT_RAYS)
KEY_DIRECTIONS = cosine_directions(1)[:, 0] * np.array([KEY_SOFTNESS, KEY_SOFTNESS, 0], np.float32)


def around(normals: Floats, local: Floats) -> Floats:
    """Turn directions (n, 3) about +Z into directions about the normals (Duff et al., JCGT 6(1), 2017)."""
    nx, ny, nz = normals.T
    sign = np.copysign(np.float32(1), nz)
    a = -1 / (sign + nz)
    b = nx * ny * a
    tangent = np.stack([1 + sign * nx * nx * a, sign * b, -sign * nx], axis=1)
    bitangent = np.stack([b, sign + ny * ny * a, -ny], axis=1)
    result: Floats = tangent * local[:, :1] + bitangent * local[:, 1:2] + normals * local[:, 2:]
    return result


def openness(surfaces: Surfaces, samples: Samples, key: Floats, patterns: Integers, rays: int) -> Floats:
    """How much of the sky and of the key light (n, 2) reaches each place, by few rays: smooth it or average it."""
    origins = samples.points + samples.flats * np.float32(LIFT)
    open_sky = np.zeros(len(origins), np.float32)
    for ray in range(0, AMBIENT_RAYS, AMBIENT_RAYS // rays):
        directions = around(samples.flats, AMBIENT_DIRECTIONS[patterns, ray])
        open_sky += ~surfaces.blocked(origins, directions, AMBIENT_REACH)
    open_key = np.zeros(len(origins), np.float32)
    lit = np.flatnonzero(np.einsum("ij,j->i", samples.normals, key) > 0)
    towards = key + around(np.broadcast_to(key, (PATTERNS, 3)), KEY_DIRECTIONS)
    open_key[lit] = ~surfaces.blocked(origins[lit], towards[patterns[lit]], KEY_REACH)
    return np.stack([open_sky / rays, open_key], axis=1)


def smooth(values: Floats, cells: Integers, size: int, normals: Floats, depths: Floats) -> Floats:
    """Average values over one tile of pixels, but not across edges.

    Args:
        values: What was found (n, 2), each pixel with the pattern of its place in the tile.
        cells: The pixels (n,), row by row, in a picture of ``size`` x ``size``.
        size: Width and height of the picture.
        normals: Unit normals (n, 3) of the pixels.
        depths: Distances (n,) of the pixels from the camera.
    """
    rows, columns = np.divmod(cells, size)
    rows, columns = rows - rows.min(), columns - columns.min()
    height, width = int(rows.max()) + 1, int(columns.max()) + 1
    planes = np.zeros((6, height + TILE, width + TILE), np.float32)
    planes[3] = 1e9
    places = (rows + TILE // 2) * (width + TILE) + columns + TILE // 2
    flat = planes.reshape(6, -1)
    flat[:3, places], flat[3, places], flat[4:, places] = normals.T, depths, values.T
    inner = planes[:, TILE // 2 : -TILE // 2, TILE // 2 : -TILE // 2]
    total = np.zeros((2, height, width), np.float32)
    count = np.full((height, width), 1e-6, np.float32)
    for down in range(TILE):
        for right in range(TILE):
            other = planes[:, down : down + height, right : right + width]
            facing = inner[0] * other[0] + inner[1] * other[1] + inner[2] * other[2]
            weight = ((facing > SAME_FACING) & (np.abs(inner[3] - other[3]) < SAME_PLANE)).astype(np.float32)
            count += weight
            total += other[4:] * weight
    result: Floats = (total / count)[:, rows, columns].T
    return result


def shade(samples: Samples, given: Lights, opened: Floats) -> tuple[Floats, Floats, Floats]:
    """Light that the places send to the camera.

    Args:
        samples: The places.
        given: The lights.
        opened: How much of the sky and of the key light reaches each place (n, 2).

    Returns:
        Linear diffuse light (n, 3), linear mirrored light (n, 3), and the share of light that is mirrored (n, 1).
    """
    sky = LEAST_AMBIENT + (1 - LEAST_AMBIENT) * opened[:, 0]
    key = opened[:, 1] * KEY
    light = (FLOOR + (SKY - FLOOR) * (0.5 + 0.5 * samples.normals[:, 2])) * sky
    light += np.maximum(np.einsum("ij,j->i", samples.normals, given.key), 0) * key
    light += np.maximum(np.einsum("ij,j->i", samples.normals, given.fill), 0) * sky * FILL
    metallic, rough = samples.metallic[:, None], samples.roughness[:, None]
    straight = DIELECTRIC + (samples.albedo - DIELECTRIC) * metallic
    # Fresnel after Schlick, weaker on rough surfaces after Lagarde.
    grazing = np.clip(1 + np.einsum("ij,ij->i", samples.normals, samples.views), 0, 1)[:, None] ** 5
    mirror = straight + np.maximum(1 - rough - straight, 0) * grazing
    mirrored = mirror * _reflected(samples, given, sky, key)
    return samples.albedo * (1 - metallic) * light[:, None], mirrored, mirror.max(axis=1, keepdims=True)


def _reflected(samples: Samples, given: Lights, sky: Floats, key: Floats) -> Floats:
    """What a mirror in the studio would show (n, 1): a bright ceiling, a darker floor and the key light."""
    turned = np.einsum("ij,ij->i", samples.normals, samples.views)[:, None]
    mirrored = unit(samples.views - 2 * turned * samples.normals)
    ceiling = np.clip(0.5 + 0.5 * mirrored[:, 2] / (0.15 + samples.roughness), 0, 1)
    ceiling = ceiling * ceiling * (3 - 2 * ceiling)
    halfway = unit(given.key - samples.views)
    shine = np.clip(2 / np.maximum(samples.roughness, 0.15) ** 4 - 2, 1, 400)
    glint = np.power(np.clip(np.einsum("ij,ij->i", samples.normals, halfway), 0, 1), shine) * np.sqrt(shine) * 0.25
    seen: Floats = ((FLOOR + (CEILING - FLOOR) * ceiling) * sky + glint * key)[:, None]
    return seen


def tone(light: Floats) -> Floats:
    """Bend bright tones softly to what white may be; mid tones keep their value."""
    room = WHITEST - SHOULDER
    bent = WHITEST - room * np.exp(-np.maximum(light - SHOULDER, 0) / room)
    result: Floats = np.where(light > SHOULDER, bent, light)
    return result
