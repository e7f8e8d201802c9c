"""FBX, binary or text: what its nodes show, with unit, axis, normals, mapped pictures and colours; no poses.

Nothing but the file itself is read by the parser; pictures are found by their names, or are in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.found_textures import Textures
from meshseek.meshes.glb import GlbMaterial
from meshseek.meshes.model_files import ModelFiles
from meshseek.meshes.polygons import triangulate
from meshseek.meshes.readers import installed
from meshseek.meshes.spaces import UPS, Up
from meshseek.meshes.surfaces import GREY, Content, Surface, count_places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.meshes.textures import Texture

_AXES = 6
"""Values of the parser's axes, two for each; more is not known."""


def read_fbx(content: bytes, files: ModelFiles) -> Content:
    """What an FBX file shows.

    Raises:
        UnreadableAssetError: It is damaged, or cannot be read here.
        OSError: The disk fails.
    """
    ufbx = installed("ufbx", "fbx", "an FBX file")
    textures = Textures(files)
    try:
        scene = ufbx.load_memory(content, ignore_animation=True, file_format=ufbx.FileFormat.FBX)
        surfaces = list(count_places(_surfaces(scene, textures)))
        settings = scene.settings
        metres, axis = settings.original_unit_meters or settings.unit_meters, int(settings.axes.up)
    except (UnreadableAssetError, MemoryError, OSError):
        raise
    except ufbx.UnsupportedVersionError as error:
        raise UnreadableAssetError("it is an FBX of before 2006; save it as FBX 2014 or newer") from error
    except Exception as error:  # what the parser raises is not told
        raise UnreadableAssetError("it is damaged; export it again") from error
    up: Up | None = UPS[axis // 2] if 0 <= axis < _AXES else None  # type: ignore[assignment]
    return Content(surfaces=surfaces, metres=metres, up=up, missing_textures=textures.missing)


def _surfaces(scene: Any, textures: Textures) -> Iterator[Surface]:
    looks: dict[int, GlbMaterial] = {}
    for node in list(scene.nodes):
        mesh = node.mesh
        if mesh is None or not node.visible or not mesh.num_triangles:
            continue
        found = list(node.materials) or list(mesh.materials)
        for material in found:
            if material is not None and material.element_id not in looks:
                looks[material.element_id] = _material(material, textures)
        materials = [GREY if material is None else looks[material.element_id] for material in found]
        yield from _parts(mesh, _matrix(node.geometry_to_world), materials)


def _matrix(columns: Any) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3] = np.array([list(column) for column in columns]).T
    return matrix


def _parts(mesh: Any, matrix: NDArray[np.float64], materials: Sequence[GlbMaterial]) -> Iterator[Surface]:
    """The surfaces of a mesh, one for each material."""
    faces = np.array(mesh.faces, np.int64).reshape(-1, 2)
    order = np.concatenate([np.arange(begin, begin + count) for begin, count in faces.tolist()] or [np.empty(0, int)])
    vertices = np.array(mesh.vertices, np.float64).reshape(-1, 3)
    points = vertices[_numbers(mesh.vertex_indices)[order]]
    triangles, owners = triangulate(faces[:, 1], points)
    rows = order[triangles]
    whole = Surface(
        corners=points[triangles],
        normals=_attribute(mesh.vertex_normal, rows, 3),
        texcoords=_attribute(mesh.vertex_uv, rows, 2),
    )
    chosen = _numbers(mesh.face_material)
    used = chosen[owners] if len(chosen) == len(faces) else np.zeros(len(owners), np.int64)
    for number in np.unique(used):
        material = materials[number] if number < len(materials) else GREY
        part = whole.some(used == number)
        yield Surface(
            corners=part.corners, normals=part.normals, texcoords=part.texcoords, material=material
        ).placed(matrix)


def _numbers(given: Any) -> NDArray[np.int64]:
    return np.fromiter(given, np.int64, len(given))


def _attribute(attribute: Any, rows: NDArray[np.int64], width: int) -> NDArray[np.float64] | None:
    """What each corner (faces, 3) has of normals or places in pictures."""
    if not attribute.exists:
        return None
    values = np.array(attribute.values, np.float64).reshape(-1, width)
    found: NDArray[np.float64] = values[_numbers(attribute.indices)[rows]]
    return found


def _material(material: Any, textures: Textures) -> GlbMaterial:
    maps = material.pbr
    base, cover, rough = maps.base_color, maps.opacity, maps.roughness
    picture = base.texture
    texture = None if picture is None else _texture(picture, textures)
    colour = list(base.value_vec4)[:3] if base.has_value and texture is None else [0.6 if texture is None else 1.0] * 3
    opacity = min(max(float(cover.value_vec4[0]), 0.0), 1.0) if cover.has_value else 1.0
    roughness = min(max(float(rough.value_vec4[0]), 0.3), 0.9) if rough.has_value else 0.9
    red, green, blue = (min(max(float(value), 0.0), 1.0) for value in colour)
    opacity = opacity or 1.0  # some programs write 0 for what is plainly not invisible
    return GlbMaterial(
        name=str(material.name)[:200] or "default",
        colour=(red, green, blue, opacity),
        roughness=roughness,
        texture=texture,
        alpha_mode="BLEND" if opacity < 1 else texture.alpha_mode if texture else "OPAQUE",
    )


def _texture(picture: Any, textures: Textures) -> Texture | None:
    """The picture in the file, else the one beside it."""
    content = bytes(picture.content or b"")
    if content:
        return textures.given(f"in the file: {picture.element_id}", lambda: content)
    name = picture.relative_filename or picture.filename
    return textures.named(str(name)) if name else None
