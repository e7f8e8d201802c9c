"""OBJ, MTL and textures to one GLB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.meshes.corners import outward, vertex_keys
from meshseek.meshes.found_textures import Textures
from meshseek.meshes.glb import GlbMaterial, GlbPart, build_glb
from meshseek.meshes.model_files import ModelFiles
from meshseek.meshes.mtl import MtlMaterial, linear, parse_mtl
from meshseek.meshes.normals import crease_normals, unit, weld
from meshseek.meshes.obj import ObjMesh, parse_obj
from meshseek.meshes.surfaces import material

if TYPE_CHECKING:
    from numpy.typing import NDArray

REVISION = 1
"""Raised when the same OBJ gives another GLB, so that finished work is done anew."""

_THINNEST = 1e-9
"""In the file's unit; a flat model is not scaled along its thin axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a model goes: turned, then each axis scaled, centred on the floor."""

    size: tuple[float, float, float]
    """Metres along x (width), y (height) and z (depth)."""
    rotation: tuple[float, ...] | None = None
    """Nine numbers of a matrix, row by row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A GLB and what there is to say about it."""

    glb: bytes
    faces: int
    missing_textures: tuple[str, ...]


@dataclass(slots=True)
class _Looks:
    """The materials of one model while they are made."""

    textures: Textures
    materials: dict[str, MtlMaterial]

    def material(self, name: str, *, mapped: bool) -> GlbMaterial:
        """The material of a part; its texture shows only where the part is mapped, that is, has texcoords."""
        source = self.materials.get(name) or MtlMaterial()
        texture = self.textures.named(source.texture) if source.texture and mapped else None
        red, green, blue = map(linear, source.diffuse)
        return material(name, (red, green, blue), source.opacity, texture, source.roughness)


def convert_obj(
    obj: bytes, files: ModelFiles, *, placement: Placement | None = None, asset: Mapping[str, Any] | None = None
) -> Conversion:
    """Convert one model; without a placement it stays as it is.

    Args:
        obj: Text of the OBJ file.
        files: The files it may call for.
        placement: Size and turn in the world.
        asset: More fields of glTF's ``asset`` object.

    Raises:
        UnreadableAssetError: The OBJ cannot be read.
    """
    mesh = parse_obj(obj)
    libraries = [files.find(name) for name in dict.fromkeys(mesh.libraries)]
    materials: dict[str, MtlMaterial] = {}
    for library in libraries:
        materials |= parse_mtl(library) if library is not None else {}
    looks = _Looks(textures=Textures(files), materials=materials)
    parts = _parts(mesh, placement, looks)
    return Conversion(
        glb=build_glb(parts, asset or {}),
        faces=len(mesh.corners),
        missing_textures=looks.textures.missing,
    )


def _parts(mesh: ObjMesh, placement: Placement | None, looks: _Looks) -> list[GlbPart]:
    transform = _transform(mesh, placement)
    positions = (mesh.positions @ transform[:, :3].T + transform[:, 3]).astype(np.float32)
    vertices = weld(positions)[mesh.corners[..., 0]]
    points = positions[mesh.corners[..., 0]]
    normals = _normals(mesh, transform[:, :3], points, vertices)
    order = outward(points, normals)
    texcoords = mesh.corners[..., 1]
    keys = vertex_keys(vertices, texcoords, normals, len(mesh.texcoords))
    parts = []
    for number in np.unique(mesh.materials):
        chosen = np.flatnonzero(mesh.materials == number)
        corners = (chosen[:, None] * 3 + order[chosen]).ravel()
        _, firsts, indices = np.unique(keys.ravel()[corners], return_index=True, return_inverse=True)
        sources = corners[firsts]
        mapping = _texcoords(mesh, texcoords.ravel()[sources])
        parts.append(
            GlbPart(
                positions=points.reshape(-1, 3)[sources],
                normals=normals.reshape(-1, 3)[sources],
                texcoords=mapping,
                indices=indices,
                material=looks.material(mesh.material_names[number], mapped=mapping is not None),
            )
        )
    return parts


def _transform(mesh: ObjMesh, placement: Placement | None) -> NDArray[np.float64]:
    """The 3 x 4 matrix from the file's coordinates to metres, y up, centred on the floor."""
    used = mesh.positions[np.unique(mesh.corners[..., 0])]
    if placement is None:
        return np.eye(3, 4)
    turn = np.eye(3) if placement.rotation is None else np.array(placement.rotation).reshape(3, 3)
    turned = used @ turn.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    extent = high - low
    thick = extent > _THINNEST
    scale = np.where(thick, np.array(placement.size) / np.where(thick, extent, 1), 1)
    anchor = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    return np.concatenate([turn * scale[:, None], (-anchor * scale)[:, None]], axis=1)


def _normals(
    mesh: ObjMesh, transform: NDArray[np.float64], points: NDArray[np.float32], vertices: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Normals of all corners: the file's where it has them, creased ones elsewhere."""
    index = mesh.corners[..., 2]
    if len(mesh.normals):
        cofactors = np.linalg.inv(transform).T * np.sign(np.linalg.det(transform))
        turned = mesh.normals @ cofactors.T
        given = (index >= 0) & (np.linalg.norm(turned, axis=1) > 0)[index]
        if given.all():
            return unit(turned.astype(np.float32))[index]
        own = unit(turned.astype(np.float32))[index]
        return np.where(given[..., None], own, crease_normals(points, vertices))
    return crease_normals(points, vertices)


def _texcoords(mesh: ObjMesh, index: NDArray[np.int64]) -> NDArray[np.float32] | None:
    if not len(mesh.texcoords) or (index < 0).all():
        return None
    rows = np.where(index[:, None] >= 0, mesh.texcoords[index], 0)
    return np.stack([rows[:, 0], 1 - rows[:, 1]], axis=1).astype(np.float32)
