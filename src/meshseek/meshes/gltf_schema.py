"""What a glTF 2.0 tree must be like, checked once; animations, cameras, skins, names and extras pass by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from meshseek.errors import UnreadableAssetError

TRIANGLES = 4
DRACO, BASIS = "KHR_draco_mesh_compression", "KHR_texture_basisu"
MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
UNSUPPORTED = {DRACO: "Draco", **dict.fromkeys(MESHOPT, "meshopt"), BASIS: "Basis (KTX2)"}
"""Extensions without which a model cannot be shown before it is decoded."""

_MOST_ELEMENTS = 100_000_000
_SIZES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
_INDEX_TYPES = frozenset({5121, 5123, 5125})
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}

Index = Annotated[int, Field(ge=0)]
Stride = Annotated[int | None, Field(ge=4), BeforeValidator(lambda value: value or None)]
"""Some programs write 0 where they mean none."""
Number = Annotated[float, Field(allow_inf_nan=False)]
Vector3 = Annotated[list[Number], Field(min_length=3, max_length=3)]
Vector4 = Annotated[list[Number], Field(min_length=4, max_length=4)]
Matrix = Annotated[list[Number], Field(min_length=16, max_length=16)]
Extensions = dict[str, Any]
Unchecked = Annotated[Any, Field(exclude=True)]
"""Whatever the file says: whoever reads it looks at it first, and a file is not refused because of it."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel)


class Asset(_Part):
    """What the file says of itself."""

    version: str = "2.0"


class Buffer(_Part):
    """A block of bytes; without an address it is the second chunk of a GLB."""

    byte_length: Index
    uri: str | None = None
    extensions: Unchecked = None

    @property
    def is_fallback(self) -> bool:
        """Whether it has no bytes: those of its views are compressed, in other buffers."""
        given = self.extensions if self.uri is None and isinstance(self.extensions, dict) else {}
        return any(isinstance(use := given.get(name), dict) and use.get("fallback") is True for name in MESHOPT)


class BufferView(_Part):
    """A part of a buffer."""

    buffer: Index
    byte_offset: Index = 0
    byte_length: Index
    byte_stride: Stride | None = None
    extensions: Unchecked = None


class Accessor(_Part):
    """Rows of numbers in a view."""

    buffer_view: Index | None = None
    byte_offset: Index = 0
    component_type: Literal[5120, 5121, 5122, 5123, 5125, 5126]
    count: Annotated[int, Field(ge=0, le=_MOST_ELEMENTS)]
    type: Literal["SCALAR", "VEC2", "VEC3", "VEC4", "MAT2", "MAT3", "MAT4"]
    normalized: Unchecked = None
    min: Unchecked = None
    max: Unchecked = None
    sparse: Unchecked = None

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return _WIDTHS[self.type]

    def end(self, stride: int | None) -> int:
        """The first byte of the view that is not needed."""
        row = _SIZES[self.component_type] * _WIDTHS[self.type]
        return self.byte_offset + (stride or row) * (self.count - 1) + row if self.count else 0


class Primitive(_Part):
    """Faces, lines or points of one material."""

    attributes: dict[str, Index]
    indices: Index | None = None
    material: Index | None = None
    mode: Annotated[int, Field(ge=0, le=6)] = TRIANGLES
    extensions: Unchecked = None


class Mesh(_Part):
    """Primitives that go together."""

    primitives: list[Primitive]


class Node(_Part):
    """Where a mesh stands."""

    children: list[Index] = []
    mesh: Index | None = None
    matrix: Matrix | None = None
    translation: Vector3 | None = None
    rotation: Vector4 | None = None
    scale: Vector3 | None = None
    skin: Unchecked = None


class Scene(_Part):
    """The nodes to show."""

    nodes: list[Index] = []


class Image(_Part):
    """A picture in a view, or at an address."""

    uri: str | None = None
    buffer_view: Index | None = None
    mime_type: str | None = None


class Texture(_Part):
    """A picture as a texture."""

    source: Index | None = None
    extensions: Extensions | None = None


class TextureUse(_Part):
    """A texture of a material."""

    index: Index


class Surface(_Part):
    """Colour and gloss."""

    base_color_factor: Vector4 | None = None
    base_color_texture: TextureUse | None = None
    metallic_factor: Number | None = None
    roughness_factor: Number | None = None
    metallic_roughness_texture: TextureUse | None = None


class Material(_Part):
    """How a primitive looks."""

    pbr_metallic_roughness: Surface | None = None
    emissive_factor: Vector3 | None = None
    emissive_texture: TextureUse | None = None
    alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] | None = None
    alpha_cutoff: Number | None = None
    extensions: Extensions | None = None


class GltfTree(_Part):
    """A whole tree."""

    asset: Asset = Asset()
    scene: Index | None = None
    scenes: list[Scene] = []
    nodes: list[Node] = []
    meshes: list[Mesh] = []
    accessors: list[Accessor] = []
    buffer_views: list[BufferView] = []
    buffers: list[Buffer] = []
    materials: list[Material] = []
    textures: list[Texture] = []
    images: list[Image] = []
    skins: Unchecked = None
    extensions_required: list[str] = []

    def faces(self) -> int:
        """Number of triangles in all meshes."""
        return sum(
            self.accessors[number].count // 3
            for mesh in self.meshes
            for primitive in mesh.primitives
            if primitive.mode >= TRIANGLES
            for number in [primitive.attributes.get("POSITION") if primitive.indices is None else primitive.indices]
            if number is not None
        )

    def compression(self) -> str | None:
        """Name of the compression without which the model cannot be shown; None for a plain one."""
        return next((UNSUPPORTED[name] for name in self.extensions_required if name in UNSUPPORTED), None)

    def is_complete(self) -> bool:
        """Whether all positions and faces are in the buffers, and not in an extension."""
        return all(
            self.accessors[number].buffer_view is not None
            for mesh in self.meshes
            for primitive in mesh.primitives
            for number in (primitive.attributes.get("POSITION"), primitive.indices)
            if number is not None
        )


def check_tree(value: Any) -> GltfTree:
    """Check types, references and sizes.

    Raises:
        UnreadableAssetError: It is not glTF 2.0, is damaged, or has no faces.
    """
    version = _version(value)
    if not version.startswith("2."):
        raise UnreadableAssetError(f"it is glTF {_short(version)}; save it as glTF 2.0")
    try:
        tree = GltfTree.model_validate(value)
    except ValidationError as error:
        raise _damaged(
            *error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        ) from error
    for place, number, length in _references(tree):
        if number is not None and number >= length:
            raise _damaged(*place)
    for place, fits in _fits(tree):
        if not fits:
            raise _damaged(*place)
    if not tree.faces():
        raise UnreadableAssetError("it has no faces; export it with triangle meshes")
    return tree


def _version(value: Any) -> str:
    """What the tree says; in glTF 1.0, which may say nothing, tables are objects."""
    if not isinstance(value, dict):
        return "2.0"
    asset = value.get("asset")
    version = asset.get("version") if isinstance(asset, dict) else None
    return version if isinstance(version, str) else "1.0" if isinstance(value.get("meshes"), dict) else "2.0"


def _damaged(*place: str | int) -> UnreadableAssetError:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{_short(part)}" for part in place).lstrip(".")
    return UnreadableAssetError(f"its glTF structure is damaged{path and f' at {path}'}; export it again")


def _short(text: str) -> str:
    return "".join(character for character in text[:40] if character.isalnum() or character in "._-")


Place = tuple[str | int, ...]


def _references(tree: GltfTree) -> Iterator[tuple[Place, int | None, int]]:
    """Every number that names a row of a table: where it stands, the number, and the rows there are."""
    yield ("scene",), tree.scene, len(tree.scenes)
    for row, scene in enumerate(tree.scenes):
        yield from ((("scenes", row, "nodes", place), node, len(tree.nodes)) for place, node in enumerate(scene.nodes))
    for row, node in enumerate(tree.nodes):
        yield ("nodes", row, "mesh"), node.mesh, len(tree.meshes)
        yield from ((("nodes", row, "children"), child, len(tree.nodes)) for child in node.children)
    for row, mesh in enumerate(tree.meshes):
        for number, primitive in enumerate(mesh.primitives):
            place = ("meshes", row, "primitives", number)
            yield (*place, "indices"), primitive.indices, len(tree.accessors)
            yield (*place, "material"), primitive.material, len(tree.materials)
            for name, attribute in primitive.attributes.items():
                yield (*place, "attributes", name), attribute, len(tree.accessors)
    for row, accessor in enumerate(tree.accessors):
        yield ("accessors", row, "bufferView"), accessor.buffer_view, len(tree.buffer_views)
    for row, view in enumerate(tree.buffer_views):
        yield ("bufferViews", row, "buffer"), view.buffer, len(tree.buffers)
    for row, image in enumerate(tree.images):
        yield ("images", row, "bufferView"), image.buffer_view, len(tree.buffer_views)


def _fits(tree: GltfTree) -> Iterator[tuple[Place, bool]]:
    """Whether each part lies inside the one that holds it and has the shape for its use; references are good by now."""
    for row, view in enumerate(tree.buffer_views):
        yield ("bufferViews", row), view.byte_offset + view.byte_length <= tree.buffers[view.buffer].byte_length
    for row, accessor in enumerate(tree.accessors):
        if accessor.buffer_view is not None:
            view = tree.buffer_views[accessor.buffer_view]
            yield ("accessors", row), accessor.end(view.byte_stride) <= view.byte_length
    for row, mesh in enumerate(tree.meshes):
        for number, primitive in enumerate(mesh.primitives):
            place = ("meshes", row, "primitives", number)
            if primitive.indices is not None:
                indices = tree.accessors[primitive.indices]
                yield (*place, "indices"), indices.type == "SCALAR" and indices.component_type in _INDEX_TYPES
            for name, width in (("POSITION", "VEC3"), ("NORMAL", "VEC3"), ("TEXCOORD_0", "VEC2")):
                attribute = primitive.attributes.get(name)
                yield (*place, name), attribute is None or tree.accessors[attribute].type == width
