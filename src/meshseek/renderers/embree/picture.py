"""One view of a model: rays, layers of transparent surfaces, light, anti-aliasing, shadow, bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from meshseek.renderers.embree.arrays import Booleans, Bytes, Floats, Integers
from meshseek.renderers.embree.cameras import Camera
from meshseek.renderers.embree.ground import Ground
from meshseek.renderers.embree.lighting import (
    AMBIENT_RAYS,
    FEWER_RAYS,
    PATTERNS,
    TILE,
    Samples,
    lights,
    openness,
    shade,
    smooth,
    tone,
)
from meshseek.renderers.embree.surfaces import Hits, Surfaces
from meshseek.renderers.embree.textures import encode_srgb

LAYERS = 12
"""A ray goes through at most so many transparent surfaces."""
STEP = 2e-5
"""A ray goes on this far behind a transparent surface."""
OPAQUE = 0.99
INVISIBLE = 0.01
SUBSAMPLES = np.array([[-0.125, -0.375], [0.375, -0.125], [-0.375, 0.125], [0.125, 0.375]], np.float32)
"""Further places in a pixel, besides its centre: a rotated grid."""
CONTRAST = 0.06
"""Pixels that differ more than this from a neighbour, in sRGB or alpha, are sampled further."""
FRAME = 0.06
"""The shadow fades over this share of the picture's border rather than being cut."""


class Picture:
    """What one camera sees of a model, ``size`` pixels wide and high."""

    def __init__(self, surfaces: Surfaces, ground: Ground, camera: Camera, size: int) -> None:
        self._surfaces = surfaces
        self._ground = ground
        self._camera = camera
        self._origin = camera.origin.astype(np.float32)
        self._lights = lights(camera)
        self._size = size

    def pixels(self) -> Bytes:
        """Render as (size, size, 4) RGBA."""
        cells = np.arange(self._size * self._size)
        rows, columns = np.divmod(cells, self._size)
        centres = np.stack([columns, rows], axis=1).astype(np.float32) + np.float32(0.5)
        patterns = rows % TILE * TILE + columns % TILE
        colours = self._trace(centres, patterns, grid=True)
        rough = np.flatnonzero(_contrasting(colours.reshape(self._size, self._size, 4)))
        total = colours[rough]
        for number, offset in enumerate(SUBSAMPLES):
            turned = (patterns[rough] + number * 5 + 3) % PATTERNS
            total += self._trace(centres[rough] + offset, turned, grid=False)
        colours[rough] = total / (len(SUBSAMPLES) + 1)
        return _to_bytes(colours, self._shadow(centres)).reshape(self._size, self._size, 4)

    def _shadow(self, centres: Floats) -> Floats:
        directions = self._camera.directions(centres, self._size)
        alpha = self._ground.alpha(self._origin, directions)
        border = np.clip(np.minimum(centres, self._size - centres).min(axis=1) / (self._size * FRAME), 0, 1)
        result: Floats = alpha * border * border * (3 - 2 * border)
        return result

    def _trace(self, places: Floats, patterns: Integers, *, grid: bool) -> Floats:
        """Follow one ray through each place (n, 2) of the picture.

        Args:
            places: In pixels from the upper left corner.
            patterns: Which directions to look for blockers in (n,).
            grid: The places are all pixels, row by row: smooth over neighbours.

        Returns:
            Linear premultiplied RGBA (n, 4), tone-mapped.
        """
        directions = self._camera.directions(places, self._size)
        colours = np.zeros((len(places), 4), np.float32)
        cells = np.arange(len(places))
        travelled = np.zeros(len(places), np.float32)
        for _ in range(LAYERS):
            hits = self._surfaces.hits(self._origin + directions * travelled[:, None], directions)
            hits = replace(hits, distances=hits.distances + travelled[hits.rays])
            cells, directions = cells[hits.rays], directions[hits.rays]
            if not len(cells):
                break
            layer = self._layer(hits, directions, (patterns[cells], cells if grid else None))
            colours[cells] += layer * (1 - colours[cells, 3:])
            further = colours[cells, 3] < OPAQUE
            cells, directions, travelled = cells[further], directions[further], hits.distances[further] + STEP
        return colours

    def _layer(self, hits: Hits, directions: Floats, sampling: tuple[Integers, Integers | None]) -> Floats:
        """Premultiplied, tone-mapped RGBA (n, 4) of the surfaces that were hit, over nothing."""
        colours = self._surfaces.colours(hits)
        seen = np.flatnonzero(colours[:, 3] > INVISIBLE)
        if len(seen) < len(colours):
            result = np.zeros_like(colours)
            if len(seen):
                patterns, cells = sampling
                part = (patterns[seen], cells[seen] if cells is not None else None)
                result[seen] = self._lit(hits.only(seen), colours[seen], directions[seen], part)
            return result
        return self._lit(hits, colours, directions, sampling)

    def _lit(
        self, hits: Hits, colours: Floats, directions: Floats, sampling: tuple[Integers, Integers | None]
    ) -> Floats:
        patterns, cells = sampling
        samples = self._samples(hits, colours, directions)
        rays = FEWER_RAYS if cells is None else AMBIENT_RAYS
        opened = openness(self._surfaces, samples, self._lights.key, patterns, rays)
        if cells is not None:
            opened = smooth(opened, cells, self._size, samples.flats, hits.distances)
        diffuse, mirrored, share = shade(samples, self._lights, opened)
        alpha = colours[:, 3:]
        clear = self._surfaces.clear(hits)[:, None]
        whole = 1 - (1 - alpha) * (1 - share * clear)
        light = diffuse * alpha + mirrored * (alpha + (1 - alpha) * clear)
        light += self._surfaces.glow(hits) * alpha
        return np.concatenate([tone(light / np.maximum(whole, INVISIBLE)) * whole, whole], axis=1)

    def _samples(self, hits: Hits, colours: Floats, directions: Floats) -> Samples:
        flats = _towards(self._surfaces.flat_normals(hits), directions)
        normals = self._surfaces.smooth_normals(hits)
        normals = np.where(np.einsum("ij,ij->i", normals, normals)[:, None] > 0, normals, flats)
        agrees = np.einsum("ij,ij->i", normals, flats)[:, None]
        metallic, roughness = self._surfaces.finish(hits)
        return Samples(
            points=self._origin + directions * hits.distances[:, None],
            flats=flats,
            normals=np.where(agrees < 0, -normals, normals),
            views=directions,
            albedo=colours[:, :3],
            metallic=metallic,
            roughness=roughness,
        )


def _towards(normals: Floats, directions: Floats) -> Floats:
    """Turn normals (n, 3) against the rays that met their surfaces."""
    away = np.einsum("ij,ij->i", normals, directions) > 0
    return np.where(away[:, None], -normals, normals)


def _contrasting(colours: Floats) -> Booleans:
    """Which pixels (h, w) of premultiplied linear RGBA (h, w, 4) differ from a neighbour."""
    seen = np.sqrt(colours)
    result = np.zeros(colours.shape[:2], np.bool_)
    across = (np.abs(seen[:, 1:] - seen[:, :-1]) > CONTRAST).any(axis=2)
    down = (np.abs(seen[1:] - seen[:-1]) > CONTRAST).any(axis=2)
    result[:, 1:] |= across
    result[:, :-1] |= across
    result[1:] |= down
    result[:-1] |= down
    return result


def _to_bytes(colours: Floats, shadow: Floats) -> Bytes:
    """Put premultiplied linear colours (n, 4) over black of the shadow's alpha (n,): straight sRGB bytes (n, 4)."""
    alpha: Floats = colours[:, 3] + (1 - colours[:, 3]) * shadow
    straight: Floats = np.clip(colours[:, :3] / np.maximum(alpha, INVISIBLE)[:, None], 0, 1)
    result = np.empty((len(colours), 4), np.float32)
    result[:, :3] = encode_srgb(straight)
    result[:, 3] = np.clip(alpha, 0, 1)
    return (result * 255 + 0.5).astype(np.uint8)
