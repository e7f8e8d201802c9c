"""Triangles as readers of files find them, made into one GLB in metres, Y up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.corners import outward, vertex_keys
from meshseek.meshes.glb import GlbMaterial, GlbPart, build_glb
from meshseek.meshes.normals import crease_normals, unit, weld
from meshseek.meshes.spaces import Space, Up
from meshseek.meshes.textures import Texture

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_FACES = 10_000_000
"""Of a model that is converted."""
MOST_PLACES = 100_000
"""So often parts of a model may be placed, one part in many places counting as often."""
_FURTHEST = 1e30
GREY = GlbMaterial(name="default", colour=(0.6, 0.6, 0.6, 1.0), roughness=0.9, texture=None, alpha_mode="OPAQUE")
"""Of what says nothing of its looks."""
WHITE = replace(GREY, name="painted", colour=(1.0, 1.0, 1.0, 1.0))
"""Under colours of vertices."""


Colour = tuple[float, float, float]


def material(name: str, colour: Colour, opacity: float, texture: Texture | None, roughness: float = 0.9) -> GlbMaterial:
    """A material as readers find it.

    Args:
        name: What the file calls it, or nothing.
        colour: Linear, 0..1; a texture is shown as it is.
        opacity: 0..1.
        texture: On parts that are mapped.
        roughness: 0..1.
    """
    red, green, blue = (1.0, 1.0, 1.0) if texture else colour
    return GlbMaterial(
        name=name or "default",
        colour=(red, green, blue, opacity),
        roughness=roughness,
        texture=texture,
        alpha_mode="BLEND" if opacity < 1 else texture.alpha_mode if texture else "OPAQUE",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Triangles of one material, each with corners of its own."""

    corners: NDArray[np.float64]
    """(faces, 3, 3): coordinates in the file's unit and axes."""
    material: GlbMaterial = GREY
    normals: NDArray[np.float64] | None = None
    """(faces, 3, 3)"""
    texcoords: NDArray[np.float64] | None = None
    """(faces, 3, 2), the origin at the lower left."""
    colours: NDArray[np.float64] | None = None
    """(faces, 3, 4), linear, 0..1."""

    def placed(self, matrix: NDArray[np.float64]) -> Surface:
        """Turned, scaled and moved by a matrix (4, 4); what it mirrors stays the right way out."""
        turn = matrix[:3, :3]
        corners = self.corners @ turn.T + matrix[:3, 3]
        normals = None
        if self.normals is not None:
            cofactors = np.stack([np.cross(turn[1], turn[2]), np.cross(turn[2], turn[0]), np.cross(turn[0], turn[1])])
            normals = self.normals @ cofactors.T
        if np.linalg.det(turn) >= 0:
            return replace(self, corners=corners, normals=normals)
        mirrored = replace(self, corners=corners, normals=None if normals is None else -normals)
        return mirrored.flipped()

    def flipped(self) -> Surface:
        """With the corners of each triangle the other way round."""
        rows = {name: getattr(self, name) for name in ("corners", "normals", "texcoords", "colours")}
        return replace(self, **{name: values[:, ::-1] for name, values in rows.items() if values is not None})

    def some(self, chosen: NDArray[Any]) -> Surface:
        """Some of the triangles."""
        rows = {name: getattr(self, name) for name in ("corners", "normals", "texcoords", "colours")}
        return replace(self, **{name: values[chosen] for name, values in rows.items() if values is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a reader found in a file."""

    surfaces: Sequence[Surface]
    metres: float | None = None
    """Of the file's unit; None where it does not say."""
    up: Up | None = None
    missing_textures: tuple[str, ...] = ()


def refuse_more_nodes(count: int) -> None:
    """Nodes of a scene, one that is shown in many places counting as often, are not too many.

    Raises:
        UnreadableAssetError: They are.
    """
    if count > MOST_PLACES:
        raise UnreadableAssetError(f"it has more than {MOST_PLACES:,} nodes; join them")


def count_places(parts: Iterable[Surface]) -> Iterator[Surface]:
    """The parts one after the other, as long as they are not too many.

    Raises:
        UnreadableAssetError: They are, or have too many faces.
    """
    faces = 0
    for number, part in enumerate(parts, start=1):
        faces += len(part.corners)
        if faces > MOST_FACES:
            raise UnreadableAssetError(f"it has more than {MOST_FACES:,} faces; reduce it")
        if number > MOST_PLACES:
            raise UnreadableAssetError(f"it shows more than {MOST_PLACES:,} parts; join them")
        yield part


def glb_of(surfaces: Iterable[Surface], space: Space) -> tuple[bytes, int]:
    """Encode surfaces as one GLB.

    Returns:
        The GLB, and the number of its triangles.

    Raises:
        UnreadableAssetError: They are too many, or none.
    """
    parts = []
    for surface in count_places(surfaces):
        placed = surface.placed(np.array(space.matrix))
        placed = placed.some(np.flatnonzero((np.abs(placed.corners) < _FURTHEST).all(axis=(1, 2))))  # numbers, that is
        if len(placed.corners):
            parts.append(_part(placed))
    if not parts:
        raise UnreadableAssetError("it has no faces; export it with triangle meshes")
    return build_glb(parts, {}), sum(len(part.indices) // 3 for part in parts)


def _part(surface: Surface) -> GlbPart:
    points = surface.corners.astype(np.float32)
    vertices = weld(points.reshape(-1, 3)).reshape(-1, 3)
    normals = _normals(surface, points, vertices)
    extras, extra_count = _extras(surface)
    keys = vertex_keys(vertices, extras, normals, extra_count)
    order = outward(points, normals)
    corners = (np.arange(len(points))[:, None] * 3 + order).ravel()
    _, firsts, indices = np.unique(keys.ravel()[corners], return_index=True, return_inverse=True)
    sources = corners[firsts]
    texcoords, colours = surface.texcoords, surface.colours
    if texcoords is not None:
        texcoords = np.nan_to_num(texcoords.reshape(-1, 2)[sources]) * (1, -1) + (0, 1)
    return GlbPart(
        positions=points.reshape(-1, 3)[sources],
        normals=normals.reshape(-1, 3)[sources],
        texcoords=None if texcoords is None else texcoords.astype(np.float32),
        indices=indices.reshape(-1),
        material=surface.material,
        colours=None if colours is None else np.nan_to_num(colours.reshape(-1, 4)[sources]).clip(0, 1),
    )


def _normals(surface: Surface, points: NDArray[np.float32], vertices: NDArray[np.int64]) -> NDArray[np.float32]:
    """Those of the file where they are any, else creased ones."""
    if surface.normals is None:
        return crease_normals(points, vertices)
    given = np.nan_to_num(surface.normals, posinf=0, neginf=0)
    lengths = np.linalg.norm(given, axis=-1, keepdims=True)
    sound = (lengths[..., 0] > 0) & np.isfinite(lengths[..., 0])
    own = unit((given / np.where(lengths > 0, lengths, 1)).astype(np.float32))
    return own if sound.all() else np.where(sound[..., None], own, crease_normals(points, vertices))


def _extras(surface: Surface) -> tuple[NDArray[np.int64], int]:
    """A number for what else each corner has (faces, 3), and how many there are."""
    given = [values for values in (surface.texcoords, surface.colours) if values is not None]
    if not given:
        return np.full(surface.corners.shape[:2], -1, np.int64), 0
    rows = np.concatenate([values.astype(np.float32) for values in given], axis=2)
    numbers = weld(rows.reshape(-1, rows.shape[2]))
    return numbers.reshape(-1, 3), int(numbers.max(initial=-1)) + 1
