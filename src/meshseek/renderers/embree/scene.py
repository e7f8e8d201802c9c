"""Reading a GLB into flat arrays, placed as every view shows it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from meshseek.errors import UnreadableAssetError
from meshseek.renderers.embree.arrays import Doubles, Floats, Integers
from meshseek.renderers.embree.materials import Material, read_material

MAX_FACES = 20_000_000
SLIVER = 1e-8
"""Faces with a smaller height than this, in units of their longest side, cannot be seen."""
MAX_UV = 1e5
Y_UP_TO_Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One object: Z up, its box centred at the origin, its longest side 1."""

    vertices: Floats
    """(v, 3)"""
    normals: Floats
    """(v, 3), unit; zero where the file gives none"""
    uv: Floats
    """(v, 2)"""
    colours: Floats | None
    """(v, 4), linear; None where no mesh has vertex colours"""
    faces: Integers
    """(f, 3) places in the vertices"""
    face_materials: Integers
    """(f,) places in the materials"""
    materials: tuple[Material, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    vertices: Doubles
    normals: Doubles
    uv: Doubles
    colours: Doubles | None
    faces: Integers
    material: int


def load_model(path: Path) -> Model:
    """Read a GLB, apply its scene graph, and drop what cannot be seen.

    Raises:
        UnreadableAssetError: The file is not a readable GLB, or holds no surface.
    """
    scene = _read(path)
    try:
        return _assemble(scene, path.name)
    except UnreadableAssetError:
        raise
    except Exception as error:
        raise UnreadableAssetError(f"{path.name} is damaged ({_reason(error)}); export it again") from error


def _read(path: Path) -> trimesh.Scene:
    if not path.is_file():
        raise UnreadableAssetError(f"{path.name} is missing; import the asset again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return trimesh.load_scene(path, file_type="glb", process=False)
    except Exception as error:
        raise UnreadableAssetError(f"{path.name} is not a readable GLB ({_reason(error)}); export it again") from error


def _assemble(scene: trimesh.Scene, name: str) -> Model:
    materials: dict[int, tuple[int, Material]] = {}
    parts = list(_parts(scene, materials))
    if not parts:
        raise UnreadableAssetError(f"{name} has no surfaces; export it with triangle meshes")
    return _join(parts, tuple(material for _, material in materials.values()), name)


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):  # trimesh looks for a package that guesses the encoding of a garbled header
        return "its header is damaged"
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__


def _parts(scene: trimesh.Scene, materials: dict[int, tuple[int, Material]]) -> Iterator[_Part]:
    total = 0
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        mesh = scene.geometry[name]
        if not isinstance(mesh, trimesh.Trimesh) or len(mesh.faces) == 0:
            continue
        total += len(mesh.faces)
        if total > MAX_FACES:
            raise UnreadableAssetError(f"the model has more than {MAX_FACES:,} faces; reduce it")
        yield _part(mesh, np.asarray(transform, np.float64), _material_index(mesh.visual, materials))


def _part(mesh: trimesh.Trimesh, transform: Doubles, material: int) -> _Part:
    count = len(mesh.vertices)
    turn = transform[:3, :3]
    normals = np.zeros((count, 3))
    if "vertex_normals" in mesh._cache.cache:  # noqa: SLF001 - the property would invent normals that are not in the file
        cofactors = np.stack([np.cross(turn[1], turn[2]), np.cross(turn[2], turn[0]), np.cross(turn[0], turn[1])])
        normals = np.einsum("ij,kj->ik", np.asarray(mesh.vertex_normals, np.float64), Y_UP_TO_Z_UP @ cofactors)
    uv = getattr(mesh.visual, "uv", None)
    return _Part(
        vertices=np.einsum("ij,kj->ik", mesh.vertices, Y_UP_TO_Z_UP @ turn) + Y_UP_TO_Z_UP @ transform[:3, 3],
        normals=normals,
        uv=np.zeros((count, 2)) if uv is None or len(uv) != count else np.asarray(uv, np.float64)[:, :2],
        colours=_vertex_colours(mesh),
        faces=np.asarray(mesh.faces, np.int64),
        material=material,
    )


def _material_index(visual: Any, materials: dict[int, tuple[int, Material]]) -> int:
    source = getattr(visual, "material", None)
    key = id(visual if source is None else source)
    if key not in materials:
        materials[key] = (len(materials), read_material(visual))
    return materials[key][0]


def _vertex_colours(mesh: trimesh.Trimesh) -> Doubles | None:
    visual: Any = mesh.visual
    colours = visual.vertex_colors if visual.kind == "vertex" else None
    if visual.kind == "texture":
        colours = visual.vertex_attributes.get("color")
    if colours is None or len(colours) != len(mesh.vertices):
        return None
    given = np.asarray(colours)
    scale = np.iinfo(given.dtype).max if given.dtype.kind in "iu" else 1.0
    result = np.ones((len(given), 4))
    result[:, : given.shape[1]] = np.clip(given / scale, 0, 1)
    return result


def _join(parts: list[_Part], materials: tuple[Material, ...], name: str) -> Model:
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    owners = np.repeat([part.material for part in parts], [len(part.faces) for part in parts])
    faces, owners = _valid(vertices, faces, owners)
    if not len(faces):
        raise UnreadableAssetError(f"{name} has no surfaces that can be seen; export it with triangle meshes")
    return _compact(parts, _unit_box(vertices, faces), faces, owners, materials)


def _unit_box(vertices: Doubles, faces: Integers) -> Doubles:
    """Move and scale the vertices so that the faces' box is centred and its longest side is 1."""
    used = vertices[np.unique(faces)].reshape(-1, 3)
    low, high = used.min(axis=0, initial=np.inf), used.max(axis=0, initial=-np.inf)
    longest = float((high - low).max())
    return (vertices - (low + high) / 2) / longest if 0 < longest < np.inf else vertices


def _valid(vertices: Doubles, faces: Integers, owners: Integers) -> tuple[Integers, Integers]:
    """Leave out faces with corners that are not there or no numbers, and those without area."""
    inside = ((faces >= 0) & (faces < len(vertices))).all(axis=1)
    faces, owners = faces[inside], owners[inside]
    corners = vertices[faces]
    edges = np.diff(corners, axis=1, append=corners[:, :1])
    areas = np.cross(edges[:, 0], edges[:, 1])
    longest = np.einsum("ijk,ijk->ij", edges, edges).max(axis=1)
    seen = np.sqrt(np.einsum("ij,ij->i", areas, areas)) > SLIVER * longest
    return faces[seen], owners[seen]


def _compact(
    parts: list[_Part], vertices: Doubles, faces: Integers, owners: Integers, materials: tuple[Material, ...]
) -> Model:
    used, places = np.unique(faces, return_inverse=True)
    normals = np.nan_to_num(np.concatenate([part.normals for part in parts])[used], posinf=0, neginf=0)
    lengths = np.sqrt(np.einsum("ij,ij->i", normals, normals))
    uv = np.nan_to_num(np.concatenate([part.uv for part in parts])[used], posinf=0, neginf=0)
    colours = None
    if any(part.colours is not None for part in parts):
        whole = [np.ones((len(part.vertices), 4)) if part.colours is None else part.colours for part in parts]
        colours = np.nan_to_num(np.concatenate(whole)[used]).astype(np.float32)
    return Model(
        vertices=vertices[used].astype(np.float32),
        normals=(normals / np.maximum(lengths, 1e-30)[:, None]).astype(np.float32),
        uv=np.clip(uv, -MAX_UV, MAX_UV).astype(np.float32),
        colours=colours,
        faces=places.reshape(-1, 3).astype(np.int64),
        face_materials=owners.astype(np.int64),
        materials=materials,
    )
