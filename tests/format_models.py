"""One box, 1 x 2 x 3 of the file's units along x, y and z, in every format that is read, and compressed in each way."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import DracoPy
import meshopt
import numpy as np
import trimesh
from pxr import Usd, UsdGeom

from meshseek.meshes.glb import encode_glb

SIDES = (1.0, 2.0, 3.0)
KTX2 = {
    "etc1s": (
        "eNpb7R0SoWBksJuXS4qLAQgYgZgDimGAEQlnALEOEE8BYhUg3gFV0wSlrRgRepCBDpRmYtBgWMzIxMDMjGyHPZz1HwjkgTTQWeVF"
        "mSWpRQxOicWZxQqheZllqUXFiTkKRnqGBiBzGBm0gOpYgVgbzS5kuxUOuEAYj1xYDATBrAYVBQYfiOUKbAzCEGkOtTWrVq1iMoEp"
        "F3JlmMEgAGI5iDCpMYHFJpgxHWBpADOVgFIArGYhoA=="
    ),
    "uastc": (
        "eNpb7R0SoWBksJuXS4qLAQgYgZgDimGAEYpBIAOIdYB4CpRGBwegtAMaDVPLxKDBsIyRiYGZmYFBAK6rHs76DwTyQBrorPKizJLU"
        "IganxOLMYoXQvMyy1KLixBwFIz1DAwYGFpAuoLbv8gwP5KsQ9qPzxRke/JdnesCIiw8ADoIhwQ=="
    ),
}
"""A red square of 8 x 8 with a blue lower half, as the encoder of Basis Universal wrote it."""
FBX = """; FBX 7.4.0 project file
FBXHeaderExtension:  {{
	FBXHeaderVersion: 1003
	FBXVersion: 7400
}}
GlobalSettings:  {{
	Version: 1000
	Properties70:  {{
		P: "UpAxis", "int", "Integer", "",{up}
		P: "UpAxisSign", "int", "Integer", "",1
		P: "FrontAxis", "int", "Integer", "",1
		P: "FrontAxisSign", "int", "Integer", "",-1
		P: "CoordAxis", "int", "Integer", "",0
		P: "CoordAxisSign", "int", "Integer", "",1
		P: "UnitScaleFactor", "double", "Number", "",{centimetres}
	}}
}}
Objects:  {{
	Geometry: 1, "Geometry::", "Mesh" {{
		Vertices: *{count} {{
			a: {vertices}
		}}
		PolygonVertexIndex: *{corners} {{
			a: {faces}
		}}
	}}
	Model: 2, "Model::box", "Mesh" {{
		Properties70:  {{
			P: "Lcl Translation", "Lcl Translation", "", "A",0,0,10
		}}
	}}
}}
Connections:  {{
	C: "OO",2,{parent}
	C: "OO",1,2
}}
"""


def box() -> Any:
    """The box, its centre at the origin."""
    return trimesh.creation.box(SIDES)


def exported(kind: str) -> bytes:
    """As trimesh writes it."""
    data = box().export(file_type=kind)
    return data.encode() if isinstance(data, str) else bytes(data)


def fbx(centimetres: float = 2.54, up: int = 2, *, deep: int = 1) -> bytes:
    """An FBX of text: its node is moved and lies below others, and its unit is an inch unless said."""
    below = range(10, 9 + deep)
    nodes = "".join(f'Model: {number}, "Model::n{number}", "Null" {{\n}}\n' for number in below)
    joins = "".join(f'C: "OO",{number},{number - 1 if number > 10 else 0}\n' for number in below)
    mesh = box()
    rows = [f"{a},{b},{-c - 1}" for a, b, c in mesh.faces.tolist()]
    numbers = mesh.vertices.ravel().tolist()
    whole = FBX.format(
        parent=below[-1] if below else 0,
        up=up,
        centimetres=centimetres,
        count=len(numbers),
        vertices=",".join(map(str, numbers)),
        corners=3 * len(rows),
        faces=",".join(rows),
    )
    head, _, tail = whole.rpartition("}\nConnections:  {\n")
    return f"{head}{nodes}}}\nConnections:  {{\n{joins}{tail}".encode()


def usd(suffix: str = ".usda", *, metres: float | None = 0.001, up: str | None = "Z") -> bytes:
    """A stage of one mesh."""
    mesh = box()
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"box{suffix}"
        stage = Usd.Stage.CreateNew(str(path))
        if metres is not None:
            UsdGeom.SetStageMetersPerUnit(stage, metres)
        if up is not None:
            UsdGeom.SetStageUpAxis(stage, up)
        made = UsdGeom.Mesh.Define(stage, "/box")
        made.CreatePointsAttr(mesh.vertices.tolist())
        made.CreateFaceVertexCountsAttr([3] * len(mesh.faces))
        made.CreateFaceVertexIndicesAttr(mesh.faces.ravel().tolist())
        made.CreateDisplayColorAttr([(1, 0, 0)])
        stage.SetDefaultPrim(made.GetPrim())
        stage.GetRootLayer().Save()
        return path.read_bytes()


def usdz() -> bytes:
    """A package of one stage; its only member begins at a multiple of 64 bytes, as it must."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        info = zipfile.ZipInfo("box.usda")
        info.extra = struct.pack("<HH", 0x1986, 64 - 30 - len(info.filename) - 4) + bytes(
            64 - 30 - len(info.filename) - 4
        )
        zipped.writestr(info, usd())
    return buffer.getvalue()


def threemf(unit: str | None = "centimeter", *, model: str | None = None) -> bytes:
    """A box that another object shows, moved and painted red."""
    mesh = box()
    vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in mesh.vertices.tolist())
    triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in mesh.faces.tolist())
    said = "" if unit is None else f' unit="{unit}"'
    whole = f"""<?xml version="1.0"?>
<model{said} xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"><resources>
<basematerials id="5"><base name="red" displaycolor="#FF0000"/></basematerials>
<object id="1" type="model" pid="5" pindex="0"><mesh><vertices>{vertices}</vertices>
<triangles>{triangles}</triangles></mesh></object>
<object id="2"><components><component objectid="1" transform="1 0 0 0 1 0 0 0 1 5 0 0"/></components></object>
</resources><build><item objectid="2"/></build></model>"""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("3D/3dmodel.model", whole if model is None else model)
    return buffer.getvalue()


def dae(unit: str = '<unit meter="0.01" name="centimeter"/>', up: str = "<up_axis>Z_UP</up_axis>") -> bytes:
    """A COLLADA as trimesh writes it, with another unit and axis."""
    text = exported("dae").decode()
    start, end = text.index("<asset>"), text.index("</asset>")
    return f"{text[:start]}<asset>{unit}{up}{text[end:]}".encode()


WRITERS: dict[str, Callable[[], bytes]] = {
    ".stl": lambda: exported("stl"),
    ".ply": lambda: exported("ply"),
    ".off": lambda: exported("off"),
    ".3mf": threemf,
    ".dae": dae,
    ".fbx": fbx,
    ".usda": usd,
    ".usdc": lambda: usd(".usdc"),
    ".usdz": usdz,
    ".obj": lambda: exported("obj"),
    ".glb": lambda: exported("glb"),
}


def glb(tree: dict[str, Any], binary: bytes) -> bytes:
    """A GLB of any tree."""
    return encode_glb(tree, binary + bytes(-len(binary) % 4))


def _tree(**more: Any) -> dict[str, Any]:
    mesh = box()
    low, high = mesh.vertices.min(axis=0).tolist(), mesh.vertices.max(axis=0).tolist()
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"componentType": 5126, "count": 8, "type": "VEC3", "min": low, "max": high},
            {"componentType": 5125, "count": 36, "type": "SCALAR"},
        ],
        **more,
    }


def draco_glb() -> bytes:
    """The box packed by Draco, with places in a picture."""
    mesh = box()
    data = DracoPy.encode(
        mesh.vertices, mesh.faces.astype(np.uint32), quantization_bits=16, tex_coord=np.zeros((8, 2), np.float64)
    )
    attributes = {row["attribute_type"]: row["unique_id"] for row in DracoPy.decode(data).attributes}
    tree = _tree(
        extensionsUsed=["KHR_draco_mesh_compression"],
        extensionsRequired=["KHR_draco_mesh_compression"],
        buffers=[{"byteLength": len(data)}],
        bufferViews=[{"buffer": 0, "byteLength": len(data)}],
    )
    tree["accessors"].append({"componentType": 5126, "count": 8, "type": "VEC2"})
    primitive = tree["meshes"][0]["primitives"][0]
    primitive["attributes"]["TEXCOORD_0"] = 2
    packed = {"bufferView": 0, "attributes": {"POSITION": attributes[0], "TEXCOORD_0": attributes[3]}}
    primitive["extensions"] = {"KHR_draco_mesh_compression": packed}
    return glb(tree, bytes(data))


def meshopt_glb() -> bytes:
    """The box packed by meshopt, in buffers as gltfpack leaves them: the second one is not there."""
    mesh = box()
    vertices = meshopt.encode_gltf_buffer(mesh.vertices.astype(np.float32), "ATTRIBUTES")
    indices = meshopt.encode_gltf_buffer(mesh.faces.astype(np.uint32).ravel(), "TRIANGLES")
    start = len(vertices) + -len(vertices) % 4
    parts = ((0, len(vertices), 12, 8, "ATTRIBUTES"), (start, len(indices), 4, 36, "TRIANGLES"))
    views = [
        {
            "buffer": 1,
            "byteOffset": place,
            "byteLength": stride * count,
            "extensions": {
                "EXT_meshopt_compression": {
                    "buffer": 0,
                    "byteOffset": offset,
                    "byteLength": length,
                    "byteStride": stride,
                    "count": count,
                    "mode": mode,
                }
            },
        }
        for place, (offset, length, stride, count, mode) in zip((0, 96), parts, strict=True)
    ]
    binary = vertices + bytes(start - len(vertices)) + indices
    tree = _tree(
        extensionsUsed=["EXT_meshopt_compression"],
        extensionsRequired=["EXT_meshopt_compression"],
        buffers=[
            {"byteLength": len(binary)},
            {"byteLength": 240, "extensions": {"EXT_meshopt_compression": {"fallback": True}}},
        ],
        bufferViews=views,
    )
    for number, row in enumerate(tree["accessors"]):
        row["bufferView"] = number
    return glb(tree, binary)


def ktx2_glb(codec: str) -> bytes:
    """The box with a picture as KTX2."""
    mesh, data = box(), zlib.decompress(base64.b64decode(KTX2[codec]))
    arrays = (mesh.vertices.astype("<f4"), mesh.faces.astype("<u4"), np.zeros((8, 2), "<f4"))
    parts = [*(rows.tobytes() for rows in arrays), data]
    starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    tree = _tree(
        extensionsUsed=["KHR_texture_basisu"],
        extensionsRequired=["KHR_texture_basisu"],
        buffers=[{"byteLength": starts[-1]}],
        bufferViews=[
            {"buffer": 0, "byteOffset": start, "byteLength": len(part)}
            for start, part in zip(starts, parts, strict=False)
        ],
        images=[{"bufferView": 3, "mimeType": "image/ktx2"}],
        textures=[{"extensions": {"KHR_texture_basisu": {"source": 0}}}],
        materials=[{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0}}],
    )
    tree["accessors"].append({"componentType": 5126, "count": 8, "type": "VEC2"})
    for number, row in enumerate(tree["accessors"]):
        row["bufferView"] = number
    tree["meshes"][0]["primitives"][0] |= {"attributes": {"POSITION": 0, "TEXCOORD_0": 2}, "material": 0}
    return glb(tree, b"".join(parts))


PACKED: dict[str, Callable[[], bytes]] = {
    "draco": draco_glb,
    "meshopt": meshopt_glb,
    "ktx2 etc1s": lambda: ktx2_glb("etc1s"),
    "ktx2 uastc": lambda: ktx2_glb("uastc"),
}
