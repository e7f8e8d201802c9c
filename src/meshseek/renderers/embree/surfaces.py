"""Rays against a model: what they hit first, how it looks there, and what stands in the way of light."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from meshseek.renderers.embree.arrays import Booleans, Floats, Integers, unit
from meshseek.renderers.embree.scene import Model
from meshseek.renderers.embree.textures import Atlas, Texture

TYPICAL_DISTANCE = 1.5
SOLID = 0.5
"""Faces that are less opaque than this on average let light through."""
PROBES = np.array([[1 / 3, 1 / 3, 1 / 3], [0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]], np.float32)
"""Places on a face, as weights of its corners, where its opacity is looked up."""
SMALL_FACES = 0.02
"""The share of a texture's surface whose sharpness does not decide how large the texture is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Where rays met the model first; n rays that met it."""

    rays: Integers
    """(n,) which of the rays"""
    faces: Integers
    """(n,) which face"""
    weights: Floats
    """(n, 3) of the face's corners, summing to 1"""
    distances: Floats
    """(n,) along the ray"""

    def only(self, rows: Integers) -> Hits:
        """Some of the hits, in the order of the rows."""
        return Hits(
            rays=self.rays[rows], faces=self.faces[rows], weights=self.weights[rows], distances=self.distances[rows]
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep Embree's builder on the caller's core: it starts a thread for each core the process may use.

    The first build in a process fixes the number. embreex gives no way to pass Embree's own setting.
    """
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    with suppress(OSError):  # where it is forbidden, the builder takes more cores for some milliseconds
        os.sched_setaffinity(0, {sorted(allowed)[os.getpid() % len(allowed)]})
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, allowed)


class _Rays:
    """Embree's index over some triangles."""

    def __init__(self, vertices: Floats, faces: Integers) -> None:
        self._scene = EmbreeScene(robust=True)
        self._mesh = TriangleMesh(self._scene, vertices, faces.astype(np.int32))
        nothing = np.zeros((1, 3), np.float32)
        self._scene.run(nothing, nothing + 1, query="OCCLUDED")

    def first(self, origins: Floats, directions: Floats) -> dict[str, Floats]:
        result: dict[str, Floats] = self._scene.run(origins, directions, output=1)
        return result

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> Booleans:
        result: Booleans = self._scene.run(origins, directions, dists=reach, query="OCCLUDED") >= 0
        return result


class Surfaces:
    """A model that rays can be sent against.

    Args:
        model: What to show.
        pixel: The size of a pixel at distance 1, which decides how large textures are kept.
    """

    def __init__(self, model: Model, pixel: float) -> None:
        self.model = model
        self._pixel = pixel
        self._base = np.array([material.base for material in model.materials], np.float32)
        self._glow = np.array([material.glow for material in model.materials], np.float32)
        self._finish = np.array([(m.metallic, m.roughness, m.clear) for m in model.materials], np.float32)
        self._spread = self._uv_spread()
        textures = [texture for material in model.materials for texture in (material.texture, material.glow_texture)]
        self._textures, kept = _index_textures(textures)
        self._atlas = Atlas(kept, [self._shrink(index, texture) for index, texture in enumerate(kept)])
        with one_thread():
            self._all = _Rays(model.vertices, model.faces)
            solid = self._solid_faces()
            self._solid = None
            if solid.any():
                self._solid = self._all if solid.all() else _Rays(model.vertices, model.faces[solid])

    def hits(self, origins: Floats, directions: Floats) -> Hits:
        """Find what rays meet first; origins and unit directions are (n, 3)."""
        found = self._all.first(origins, directions)
        rays = np.flatnonzero(found["primID"] >= 0)
        u, v = found["u"][rays], found["v"][rays]
        return Hits(
            rays=rays,
            faces=found["primID"][rays].astype(np.int64),
            weights=np.stack([1 - u - v, u, v], axis=1),
            distances=found["tfar"][rays],
        )

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> Booleans:
        """Tell for each ray (n, 3) whether something solid stands in it nearer than ``reach``."""
        if self._solid is None:
            return np.zeros(len(origins), np.bool_)
        return self._solid.blocked(origins, directions, reach)

    def colours(self, hits: Hits) -> Floats:
        """Linear base colour and alpha (n, 4) at the hits."""
        owners = self.model.face_materials[hits.faces]
        colours: Floats = self._base[owners]
        if self.model.colours is not None:
            colours = colours * self._mixed(self.model.colours, hits)
        self._multiply(colours, self._textures[owners, 0], hits)
        return colours

    def glow(self, hits: Hits) -> Floats:
        """Linear light (n, 3) that the surface gives of itself."""
        owners = self.model.face_materials[hits.faces]
        light: Floats = self._glow[owners]
        self._multiply(light, self._textures[owners, 1], hits)
        return light

    def finish(self, hits: Hits) -> tuple[Floats, Floats]:
        """Metalness (n,) and roughness (n,) in 0..1."""
        metallic, roughness, _ = self._finish[self.model.face_materials[hits.faces]].T
        return metallic, roughness

    def clear(self, hits: Hits) -> Floats:
        """1 where the surface is glass, which mirrors even where it lets light through, else 0 (n,)."""
        result: Floats = self._finish[self.model.face_materials[hits.faces], 2]
        return result

    def flat_normals(self, hits: Hits) -> Floats:
        """Unit normals (n, 3) of the faces themselves."""
        corners = self.model.vertices[self.model.faces[hits.faces]]
        return unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))

    def smooth_normals(self, hits: Hits) -> Floats:
        """Normals (n, 3) mixed from the corners; unit, or zero where the file gives none."""
        return unit(self._mixed(self.model.normals, hits))

    def _mixed(self, values: Floats, hits: Hits) -> Floats:
        mixed: Floats = np.einsum("ijk,ij->ik", values[self.model.faces[hits.faces]], hits.weights)
        return mixed

    def _multiply(self, colours: Floats, textures: Integers, hits: Hits) -> None:
        rows = np.flatnonzero(textures >= 0)
        if len(rows):
            part = hits.only(rows)
            footprint = part.distances * self._pixel * self._spread[part.faces]
            found = self._atlas.sample(textures[rows], self._mixed(self.model.uv, part), footprint)
            colours[rows] *= found[:, : colours.shape[1]]

    def _uv_spread(self) -> Floats:
        """How far texture coordinates run over one unit of each face (f,)."""
        uv = self.model.uv[self.model.faces]
        (ax, ay), (bx, by) = (uv[:, 1] - uv[:, 0]).T, (uv[:, 2] - uv[:, 0]).T
        spread: Floats = np.sqrt(np.abs(ax * by - ay * bx) / np.maximum(self._areas(), 1e-20))
        return spread

    def _areas(self) -> Floats:
        corners = self.model.vertices[self.model.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        areas: Floats = np.sqrt(np.einsum("ij,ij->i", normals, normals))
        return areas

    def _shrink(self, index: int, texture: Texture) -> int:
        owners = np.flatnonzero((self._textures == index).any(axis=1))
        rows = np.flatnonzero(np.isin(self.model.face_materials, owners))
        if not len(rows):
            return max(texture.image.size)
        order = rows[np.argsort(self._spread[rows])]
        areas = np.cumsum(self._areas()[order])
        sharpest = self._spread[order[np.searchsorted(areas, areas[-1] * SMALL_FACES)]]
        texels = float(sharpest) * self._pixel * TYPICAL_DISTANCE * max(texture.image.size)
        return int(2 ** max(int(np.floor(np.log2(max(texels, 1.0)))), 0))

    def _solid_faces(self) -> Booleans:
        """Which faces (f,) stop light."""
        transparent = np.array([material.transparent for material in self.model.materials])
        faces = np.flatnonzero(transparent[self.model.face_materials])
        solid = np.ones(len(self.model.faces), np.bool_)
        distances = np.full(len(faces), TYPICAL_DISTANCE * 2, np.float32)
        alpha = np.zeros(len(faces), np.float32)
        for probe in PROBES:
            weights = np.tile(probe, (len(faces), 1))
            alpha += self.colours(Hits(rays=faces, faces=faces, weights=weights, distances=distances))[:, 3]
        solid[faces] = alpha / len(PROBES) >= SOLID
        return solid


def _index_textures(textures: list[Texture | None]) -> tuple[Integers, list[Texture]]:
    """Give each texture a number, the same for the same picture used in the same way, and -1 for none."""
    kept: dict[tuple[int, bool, float | None], tuple[int, Texture]] = {}
    numbers = []
    for texture in textures:
        if texture is None:
            numbers.append(-1)
            continue
        key = (id(texture.image), texture.transparent, texture.cutoff)
        numbers.append(kept.setdefault(key, (len(kept), texture))[0])
    return np.array(numbers, np.int64).reshape(-1, 2), [texture for _, texture in kept.values()]
