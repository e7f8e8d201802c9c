"""The meshes of a USD stage as surfaces."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshseek.meshes.found_textures import Textures
from meshseek.meshes.glb import GlbMaterial
from meshseek.meshes.polygons import triangulate
from meshseek.meshes.readers import pxr
from meshseek.meshes.surfaces import GREY, WHITE, Surface, material, refuse_more_nodes
from meshseek.meshes.textures import Texture

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAPPINGS: Final = ("st", "UVMap", "st0", "map1", "uv")
"""How exporters call the places in pictures."""


class UsdMeshes:
    """Goes through a stage.

    Args:
        stage: An open ``Usd.Stage``.
        textures: What finds pictures.
        folders: Where each layer lies, by its identifier, as seen from the root layer.
    """

    def __init__(self, stage: Any, textures: Textures, folders: Mapping[str, str]) -> None:
        self._stage = stage
        self._textures = textures
        self._folders = folders
        self._usd, self._geometry, self._shade = pxr("Usd"), pxr("UsdGeom"), pxr("UsdShade")
        self._time = self._usd.TimeCode.EarliestTime()
        self._places = self._geometry.XformCache(self._time)
        self._looks: dict[str, GlbMaterial] = {}

    def surfaces(self) -> Iterator[Surface]:
        """What the stage shows at its first moment: meshes that are visible and not for guidance.

        Raises:
            UnreadableAssetError: Its nodes are too many.
        """
        shown = self._usd.TraverseInstanceProxies(self._usd.PrimDefaultPredicate)
        for number, prim in enumerate(self._usd.PrimRange(self._stage.GetPseudoRoot(), shown)):
            refuse_more_nodes(number)
            mesh = self._geometry.Mesh(prim)
            if not mesh or mesh.ComputeVisibility(self._time) == self._geometry.Tokens.invisible:
                continue
            if mesh.ComputePurpose() in {self._geometry.Tokens.default_, self._geometry.Tokens.render}:
                yield from self._parts(mesh)

    def _parts(self, mesh: Any) -> Iterator[Surface]:
        """The surfaces of a mesh, one for each material."""
        points = _array(mesh.GetPointsAttr().Get(self._time), 3)
        counts = _numbers(mesh.GetFaceVertexCountsAttr().Get(self._time))
        indices = _numbers(mesh.GetFaceVertexIndicesAttr().Get(self._time))
        if not len(counts) or (counts < 0).any() or counts.sum() != len(indices):
            return
        if indices.min(initial=0) < 0 or indices.max(initial=-1) >= len(points):
            return
        triangles, owners = triangulate(counts, points[indices])
        shape = _Shape(len(points), len(counts), triangles, owners, indices)
        prim = mesh.GetPrim()
        normals = shape.rows(mesh.GetNormalsAttr().Get(self._time), str(mesh.GetNormalsInterpolation()), 3)
        whole = Surface(corners=points[indices[triangles]], normals=normals, texcoords=self._mapping(prim, shape))
        colours = self._colours(prim, shape)
        turned = str(mesh.GetOrientationAttr().Get(self._time)) == "leftHanded"
        matrix = np.array(self._places.GetLocalToWorldTransform(prim), np.float64).reshape(4, 4).T
        for rows, look in self._looks_of(mesh, owners):
            part = (whole.flipped() if turned else whole).some(rows)
            bare = look is GREY and colours is not None
            yield Surface(
                corners=part.corners,
                normals=part.normals,
                texcoords=part.texcoords,
                colours=colours[rows] if bare and colours is not None else None,
                material=WHITE if bare else look,
            ).placed(matrix)

    def _mapping(self, prim: Any, shape: _Shape) -> NDArray[np.float64] | None:
        primvars = self._geometry.PrimvarsAPI(prim)
        for name in _MAPPINGS:
            primvar = primvars.GetPrimvar(name)
            if primvar and primvar.HasValue():
                found = shape.rows(primvar.ComputeFlattened(self._time), str(primvar.GetInterpolation()), 2)
                if found is not None:
                    return found
        return None

    def _colours(self, prim: Any, shape: _Shape) -> NDArray[np.float64] | None:
        primvar = self._geometry.Gprim(prim).GetDisplayColorPrimvar()
        if not primvar or not primvar.HasValue():
            return None
        rows = shape.rows(primvar.ComputeFlattened(self._time), str(primvar.GetInterpolation()), 3)
        if rows is None:
            return None
        return np.concatenate([rows, np.ones((*rows.shape[:2], 1))], axis=2)

    def _looks_of(self, mesh: Any, owners: NDArray[np.int64]) -> Iterator[tuple[NDArray[Any], GlbMaterial]]:
        """Which triangles have which material: those of subsets of faces, and the rest."""
        left = np.ones(len(owners), np.bool_)
        for subset in self._shade.MaterialBindingAPI(mesh.GetPrim()).GetMaterialBindSubsets():
            faces = _numbers(subset.GetIndicesAttr().Get(self._time))
            rows = np.isin(owners, faces) & left
            if rows.any():
                left &= ~rows
                yield rows, self._material(subset.GetPrim())
        if left.any():
            yield left, self._material(mesh.GetPrim())

    def _material(self, prim: Any) -> GlbMaterial:
        bound, _ = self._shade.MaterialBindingAPI(prim).ComputeBoundMaterial()
        if not bound:
            return GREY
        name = str(bound.GetPath())
        if name not in self._looks:
            shader, *_ = bound.ComputeSurfaceSource()
            self._looks[name] = self._surface(name, shader) if shader else GREY
        return self._looks[name]

    def _surface(self, name: str, shader: Any) -> GlbMaterial:
        """From a ``UsdPreviewSurface``."""
        given = shader.GetInput("diffuseColor")
        source = given.GetConnectedSource() if given and given.HasConnectedSource() else None
        texture = None
        if source:
            file = self._shade.Shader(source[0].GetPrim()).GetInput("file")
            texture = self._texture(file) if file else None
        value = given.Get() if given and not source else None
        colour = GREY.colour[:3] if value is None else value
        red, green, blue = (min(max(float(part), 0.0), 1.0) for part in colour)
        opacity = _number(shader.GetInput("opacity"), 1.0) or 1.0
        roughness = max(_number(shader.GetInput("roughness"), 0.9), 0.05)
        return material(name[-200:], (red, green, blue), opacity, texture, roughness)

    def _texture(self, file: Any) -> Texture | None:
        """The picture that an input names, as seen from the layer that says so."""
        asset = file.Get()
        if asset is None or not asset.path:
            return None
        said = (spec.layer.identifier for spec in file.GetAttr().GetPropertyStack() if spec.HasInfo("default"))
        return self._textures.named(posixpath.join(self._folders.get(next(said, ""), ""), asset.path))


class _Shape:
    """How a mesh's lists belong to the corners of its triangles."""

    def __init__(
        self,
        points: int,
        faces: int,
        triangles: NDArray[np.int64],
        owners: NDArray[np.int64],
        indices: NDArray[np.int64],
    ) -> None:
        self._places = {
            "vertex": (points, indices[triangles]),
            "varying": (points, indices[triangles]),
            "faceVarying": (len(indices), triangles),
            "uniform": (faces, np.repeat(owners[:, None], 3, axis=1)),
            "constant": (1, np.zeros_like(triangles)),
        }

    def rows(self, values: Any, interpolation: str, width: int) -> NDArray[np.float64] | None:
        """What each corner (triangles, 3) has of a list; None where the list does not fit."""
        if values is None or interpolation not in self._places:
            return None
        count, places = self._places[interpolation]
        given = _array(values, width)
        return given[places] if len(given) == count else None


def _array(values: Any, width: int) -> NDArray[np.float64]:
    return np.array([] if values is None else values, np.float64).reshape(-1, width)


def _numbers(values: Any) -> NDArray[np.int64]:
    return np.array([] if values is None else values, np.int64).reshape(-1)


def _number(given: Any, default: float) -> float:
    value = given.Get() if given else None
    return min(max(float(value), 0.0), 1.0) if isinstance(value, int | float) else default
