"""Reading a GLB into flat arrays, placed as every view shows it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trimesh.exchange.gltf import load_glb

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.decoders import plain_glb
from meshseek.meshes.gltf import read_glb
from meshseek.meshes.model_files import readable
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
    if not path.is_file():
        raise UnreadableAssetError(f"{path.name} is missing; import the asset again")
    with readable(f"{path.name} cannot be rendered"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = plain_glb(read_glb(path))
        try:
            return _assemble(load_glb(io.BytesIO(content)))
        except (UnreadableAssetError, MemoryError):
            raise
        except Exception as error:  # the structure is sound, so this is about the numbers; what it raises is not told
            raise UnreadableAssetError("its numbers are damaged; export it again") from error


def _assemble(content: Mapping[str, Any]) -> Model:
    materials: dict[int, tuple[int, Material]] = {}
    parts = list(_parts(content, materials))
    if not parts:
        raise UnreadableAssetError("it has no surfaces; export it with triangle meshes")
    return _join(parts, tuple(material for _, material in materials.values()))


def _parts(content: Mapping[str, Any], materials: dict[int, tuple[int, Material]]) -> Iterator[_Part]:
    """The surfaces where the scene graph puts them; it lists parents before their children."""
    places = {content["base_frame"]: np.eye(4)}
    total = 0
    for edge in content["graph"]:
        place = places[edge["frame_to"]] = places[edge["frame_from"]] @ edge["matrix"]
        mesh = content["geometry"].get(edge.get("geometry"), {})
        if len(mesh.get("faces", ())) == 0:
            continue
        total += len(mesh["faces"])
        if total > MAX_FACES:
            raise UnreadableAssetError(f"it has more than {MAX_FACES:,} faces; reduce it")
        yield _part(mesh, place, _material_index(mesh, materials))


def _part(mesh: Mapping[str, Any], place: Doubles, material: int) -> _Part:
    vertices = np.asarray(mesh["vertices"], np.float64)
    turn = place[:3, :3]
    normals = np.zeros(vertices.shape)
    given = mesh.get("vertex_normals")
    if given is not None and given.shape == vertices.shape:
        cofactors = np.stack([np.cross(turn[1], turn[2]), np.cross(turn[2], turn[0]), np.cross(turn[0], turn[1])])
        normals = np.einsum("ij,kj->ik", np.asarray(given, np.float64), Y_UP_TO_Z_UP @ cofactors)
    uv = getattr(mesh.get("visual"), "uv", None)
    return _Part(
        vertices=np.einsum("ij,kj->ik", vertices, Y_UP_TO_Z_UP @ turn) + Y_UP_TO_Z_UP @ place[:3, 3],
        normals=normals,
        uv=np.zeros((len(vertices), 2)) if uv is None or len(uv) != len(vertices) else np.asarray(uv, np.float64),
        colours=_vertex_colours(mesh),
        faces=np.asarray(mesh["faces"], np.int64),
        material=material,
    )


def _material_index(mesh: Mapping[str, Any], materials: dict[int, tuple[int, Material]]) -> int:
    source = getattr(mesh.get("visual"), "material", None)
    painted = "vertex_colors" in mesh
    key = int(painted) if source is None else id(source)
    if key not in materials:
        materials[key] = (len(materials), read_material(source, painted=painted))
    return materials[key][0]


def _vertex_colours(mesh: Mapping[str, Any]) -> Doubles | None:
    colours = mesh.get("vertex_colors")
    if colours is None and "visual" in mesh:
        colours = mesh["visual"].vertex_attributes.get("color")
    if colours is None or len(colours) != len(mesh["vertices"]):
        return None
    given = np.asarray(colours)
    scale = np.iinfo(given.dtype).max if given.dtype.kind in "iu" else 1.0
    result = np.ones((len(given), 4))
    result[:, : given.shape[1]] = np.clip(given / scale, 0, 1)
    return result


def _join(parts: list[_Part], materials: tuple[Material, ...]) -> Model:
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    owners = np.repeat([part.material for part in parts], [len(part.faces) for part in parts])
    faces, owners = _valid(vertices, faces, owners)
    if not len(faces):
        raise UnreadableAssetError("it has no surfaces that can be seen; export it with triangle meshes")
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
