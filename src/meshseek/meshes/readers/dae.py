"""COLLADA (DAE): its scene with unit, axis, normals, mapped pictures and colours; skins stay as they were bound."""

from __future__ import annotations

import io
import urllib.parse
import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.found_textures import Textures
from meshseek.meshes.glb import GlbMaterial
from meshseek.meshes.model_files import ModelFiles
from meshseek.meshes.mtl import linear
from meshseek.meshes.readers import installed
from meshseek.meshes.spaces import Up
from meshseek.meshes.surfaces import GREY, Content, Surface, count_places, material, refuse_more_nodes
from meshseek.untrusted.xml import walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UPS: Final[Mapping[str, Up]] = {"X_UP": "x", "Y_UP": "y", "Z_UP": "z"}
_TRIANGLE = 3
_PLAIN: Final = (0.6, 0.6, 0.6)
"""sRGB, of what names no colour."""


def read_dae(content: bytes, files: ModelFiles) -> Content:
    """What the scene of a COLLADA file shows.

    Raises:
        UnreadableAssetError: It is damaged, or cannot be read here.
        OSError: The disk fails.
    """
    said = _said(content)
    collada = installed("collada", "dae", "a COLLADA file")
    textures = Textures(files)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            document = collada.Collada(
                io.BytesIO(content), ignore=[collada.common.DaeError], aux_file_loader=lambda _: None
            )
            surfaces = list(count_places(_surfaces(document, textures)))
        except (UnreadableAssetError, MemoryError, OSError):
            raise
        except Exception as error:  # what the parser raises is not told
            raise UnreadableAssetError("it is damaged; export it again") from error
    asset = document.assetInfo
    return Content(
        surfaces=surfaces,
        metres=asset.unitmeter if "unit" in said else None,
        up=_UPS.get(str(asset.upaxis)) if "up_axis" in said else None,
        missing_textures=textures.missing,
    )


def _said(content: bytes) -> set[str]:
    """Which of its elements say something of its unit and axis; the whole of it is sound XML.

    Raises:
        UnreadableAssetError: It is not.
    """
    said: set[str] = set()
    first: list[str] = []

    def began(name: str, given: Mapping[str, str]) -> None:
        if not first:
            first.append(name)
        if name == "up_axis" or (name == "unit" and "meter" in given):
            said.add(name)

    walk(content, began)
    if first != ["COLLADA"]:
        raise UnreadableAssetError("it is not a COLLADA file; export it again")
    return said


def _surfaces(document: Any, textures: Textures) -> Iterator[Surface]:
    if document.scene is None:
        return
    known: dict[int, int] = {}
    refuse_more_nodes(sum(_uses(node, known) for node in document.scene.nodes))
    for kind in ("geometry", "controller"):
        for bound in document.scene.objects(kind):
            for primitive in _primitives(bound):
                surface = _surface(primitive, textures)
                if surface is not None:
                    yield surface


def _uses(node: Any, known: dict[int, int]) -> int:
    """How many nodes are shown by one and all below it.

    Args:
        node: Of the scene.
        known: The answers for the lists of children that were counted; it is added to.
    """
    children = getattr(node, "children", ())  # an instance has those of its node
    if id(children) not in known:
        known[id(children)] = 1 + sum(_uses(child, known) for child in children)
    return known[id(children)]


def _primitives(bound: Any) -> Iterator[Any]:
    """Those of a geometry, a skin, or the geometry that a morph begins with."""
    if not hasattr(bound, "primitives"):
        bound = bound.original.source_geometry.bind(bound.matrix, bound.materialnodebysymbol)
    for primitive in bound.primitives():
        yield getattr(primitive, "primitive", primitive)  # a skin's is wrapped


def _surface(primitive: Any, textures: Textures) -> Surface | None:
    if hasattr(primitive, "triangleset"):
        primitive = primitive.triangleset()
    index, vertices = primitive.vertex_index, primitive.vertex
    if index is None or vertices is None or np.ndim(index) != 2 or index.shape[1] != _TRIANGLE:  # noqa: PLR2004
        return None
    sound = ((index >= 0) & (index < len(vertices))).all(axis=1)
    sets = [_rows(*each, sound) for each in zip(primitive.texcoordset, primitive.texcoord_indexset, strict=False)]
    mapped = sets[0][..., :2] if sets and sets[0] is not None else None
    return Surface(
        corners=np.asarray(vertices, np.float64)[index[sound]],
        normals=_rows(primitive.normal, primitive.normal_index, sound),
        texcoords=mapped,
        material=_material(primitive.material, textures, mapped=mapped is not None),
    )


def _rows(values: Any, index: Any, sound: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """What each corner has of a list; None where a corner has nothing."""
    if values is None or index is None or np.shape(index) != (len(sound), _TRIANGLE):
        return None
    chosen = index[sound]
    if not len(values) or (len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(values)):
        return None
    rows: NDArray[np.float64] = np.asarray(values, np.float64)[chosen]
    return rows


def _material(bound: Any, textures: Textures, *, mapped: bool) -> GlbMaterial:
    effect = getattr(bound, "effect", None)
    if effect is None:
        return GREY
    diffuse, texture = effect.diffuse, None
    if hasattr(diffuse, "sampler"):
        name = diffuse.sampler.surface.image.path if mapped else None
        texture = textures.named(_local(name)) if name else None
        diffuse = None
    channels = (float(value) for value in (diffuse if diffuse is not None else _PLAIN))
    red, green, blue = map(linear, islice(channels, 3))
    return material(str(bound.id or "")[:200], (red, green, blue), _opacity(effect), texture)


def _opacity(effect: Any) -> float:
    """Programs disagree on what transparency means; only what leaves something to see is believed."""
    value = effect.transparency
    known = isinstance(value, int | float) and 0 < value < 1
    return float(value) if known else 1.0


def _local(name: str) -> str:
    """The path in an address such as ``file:///C:/textures/a%20b.png``."""
    return urllib.parse.unquote(name.removeprefix("file://"))
