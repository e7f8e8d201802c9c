"""Models in other formats than glTF and OBJ: bombs, circles, claims, cuts, and addresses of what is not theirs."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

_ENTITIES = "".join(f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 10))
LAUGHS = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{_ENTITIES}]>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
DEEP = "<node>" * 5000 + "</node>" * 5000
TRIANGLE = (
    '<mesh><vertices><vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/><vertex x="0" y="1" z="0"/></vertices>'
)
TRIANGLE += '<triangles><triangle v1="0" v2="1" v3="2"/></triangles></mesh>'
USD = '#usda 1.0\ndef Mesh "m" {{\nint[] faceVertexCounts = [{counts}]\nint[] faceVertexIndices = [{indices}]\n'
USD += "point3f[] points = [(0,0,0),(1,0,0),(0,1,0)]\n}}\n"
_CLIPS = """#usda 1.0
def Mesh "here" (
    variants = {{ string v = "x" }}
    prepend variantSets = "v"
)
{{
    int[] faceVertexCounts = [3]
    int[] faceVertexIndices = [0, 1, 2]
    point3f[] points
    variantSet "v" = {{
        "x" (
            clips = {{
                dictionary default = {{
                    double2[] active = [(0, 0)]
                    asset[] assetPaths = [@{file}@]
                    asset manifestAssetPath = @{file}@
                    string primPath = "/box"
                    double2[] times = [(0, 0)]
                }}
            }}
        ) {{
        }}
    }}
}}
"""


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    """A zip, packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def threemf(inside: str, *, head: str = '<?xml version="1.0"?>', build: str = '<item objectid="1"/>') -> bytes:
    """A 3MF of any resources."""
    return zipped({"3D/3dmodel.model": f"{head}<model><resources>{inside}</resources><build>{build}</build></model>"})


def nested(levels: int, each: int) -> str:
    """Objects that show the one before so many times."""
    shown = [f'<object id="1">{TRIANGLE}</object>']
    for number in range(2, levels + 2):
        parts = f'<component objectid="{number - 1}"/>' * each
        shown.append(f'<object id="{number}"><components>{parts}</components></object>')
    return "".join(shown)


def dae(inside: str, head: str = '<?xml version="1.0"?>') -> bytes:
    """A COLLADA of anything."""
    return f'{head}<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema">{inside}</COLLADA>'.encode()


def ply(header: str, data: bytes = b"") -> bytes:
    """A PLY of any header."""
    return f"ply\nformat {header}\nend_header\n".encode() + data


def clips_in_a_variant(file: str) -> bytes:
    """A USD whose points are an animation in another file, which a variant names; that has them at ``/box``."""
    return _CLIPS.format(file=file).encode()


def _usd(counts: str, indices: str) -> bytes:
    return USD.format(counts=counts, indices=indices).encode()


def _circle() -> bytes:
    instances = '<instance_node url="#a"/><instance_node url="#a"/>'
    scene = '<scene><instance_visual_scene url="#s"/></scene>'
    return dae(
        f'<library_nodes><node id="a">{instances}</node></library_nodes><library_visual_scenes>'
        f'<visual_scene id="s"><node>{instances}</node></visual_scene></library_visual_scenes>{scene}'
    )


def _nodes_of_nodes(levels: int, each: int) -> bytes:
    """Nodes that show the one before so many times, and none of them anything else."""
    nodes = '<node id="n0"/>'
    for number in range(1, levels):
        instances = f'<instance_node url="#n{number - 1}"/>' * each
        nodes += f'<node id="n{number}">{instances}</node>'
    return dae(
        f'<library_nodes>{nodes}</library_nodes><library_visual_scenes><visual_scene id="s"><node>'
        f'<instance_node url="#n{levels - 1}"/></node></visual_scene></library_visual_scenes>'
        '<scene><instance_visual_scene url="#s"/></scene>'
    )


def _prims_of_prims(levels: int, each: int) -> bytes:
    """Likewise of instances."""
    prims = '#usda 1.0\ndef "p0" {}\n'
    for number in range(1, levels):
        instances = (
            f'def "i{place}" (instanceable = true\nreferences = </p{number - 1}>) {{}}\n' for place in range(each)
        )
        prims += f'{"def" if number == levels - 1 else "class"} "p{number}" {{\n{"".join(instances)}}}\n'
    return prims.encode()


def cases() -> dict[str, dict[str, bytes]]:
    """The files of each case by name; the first is the hostile one."""
    faces = struct.pack("<12fH", *range(12), 0)
    vertex = "property float x\nproperty float y\nproperty float z"
    reference = '#usda 1.0\ndef "a" (references = @{}@</a>) {{}}\n'
    models = {
        "stl-claims-four-billion": (".stl", bytes(80) + struct.pack("<I", 2**32 - 1) + faces),
        "stl-cut-off": (".stl", bytes(80) + struct.pack("<I", 2) + faces),
        "stl-nothing-but-nan": (".stl", bytes(80) + struct.pack("<I", 1) + b"\xff" * 50),
        "stl-solid-without-end": (".stl", b"solid a\n" + b"facet\n" * 1000),
        "stl-empty": (".stl", b""),
        "ply-claims-four-billion": (".ply", ply(f"binary_little_endian 1.0\nelement vertex 4000000000\n{vertex}")),
        "ply-claims-many-lines": (".ply", ply(f"ascii 1.0\nelement vertex 900000000\n{vertex}", b"0 0 0\n")),
        "ply-negative": (".ply", ply(f"ascii 1.0\nelement vertex -5\n{vertex}", b"0 0 0\n")),
        "ply-no-end": (".ply", b"ply\nformat ascii 1.0\n" + b"comment a\n" * 1000),
        "ply-texture-of-passwd": (
            ".ply",
            ply(f"ascii 1.0\ncomment TextureFile /etc/passwd\nelement vertex 1\n{vertex}"),
        ),
        "off-claims-four-billion": (".off", b"OFF\n4000000000 4000000000 0\n0 0 0\n"),
        "off-no-such-vertex": (".off", b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n"),
        "off-binary": (".off", b"OFF BINARY\n" + bytes(100)),
        "3mf-billion-laughs": (".3mf", threemf("&a9;", head=LAUGHS)),
        "3mf-entity-of-passwd": (".3mf", threemf("&a;", head=OUTSIDE)),
        "3mf-bomb": (".3mf", zipped({"3D/3dmodel.model": b" " * (40 << 20)})),
        "3mf-deep": (".3mf", threemf(DEEP)),
        "3mf-objects-of-objects": (".3mf", threemf(nested(30, 10), build='<item objectid="31"/>')),
        "3mf-circle": (
            ".3mf",
            threemf('<object id="1"><components><component objectid="1"/></components></object>'),
        ),
        "3mf-no-such-object": (".3mf", threemf("", build='<item objectid="7"/>')),
        "3mf-words-for-numbers": (".3mf", threemf(f'<object id="1">{TRIANGLE}</object>'.replace('x="1"', 'x="one"'))),
        "3mf-part-outside": (
            ".3mf",
            threemf("", build='<item objectid="1" path="/../../../etc/passwd"/>'),
        ),
        "3mf-no-zip": (".3mf", b"PK\x03\x04" + bytes(100)),
        "dae-billion-laughs": (".dae", dae("&a9;", LAUGHS)),
        "dae-entity-of-passwd": (".dae", dae("&a;", OUTSIDE)),
        "dae-deep": (".dae", dae(DEEP)),
        "dae-nodes-of-nodes": (".dae", _nodes_of_nodes(30, 10)),
        "dae-encoding-of-many-bytes": (".dae", dae("", '<?xml version="1.0" encoding="gbk"?>')),
        "dae-circle-of-nodes": (".dae", _circle()),
        "dae-is-a-zip": (".dae", zipped({"a.dae": dae("")})),
        "dae-empty": (".dae", dae("")),
        "dae-other-xml": (".dae", b"<html/>"),
        "usd-counts-that-do-not-fit": (".usda", _usd("2000000000", "0, 1, 2")),
        "usd-negative-corner": (".usda", _usd("3", "0, 1, -2")),
        "usd-no-such-corner": (".usda", _usd("3", "0, 1, 200000000")),
        "usd-reference-to-passwd": (".usda", reference.format("/etc/passwd").encode()),
        "usd-reference-to-itself": (".usda", reference.format("./model.usda").encode()),
        "usd-instances-of-instances": (".usda", _prims_of_prims(30, 10)),
        "usd-http-address": (".usda", reference.format("http://127.0.0.1:1/a.usda").encode()),
        "usd-clips-in-a-variant": (".usda", clips_in_a_variant("/etc/passwd")),
        "usd-deep": (".usda", b"#usda 1.0\n" + b'def "a" {\n' * 3000),
        "usd-crate-cut-off": (".usdc", b"PXR-USDC" + bytes(80)),
        "usdz-without-a-layer": (".usdz", zipped({"a.png": b""})),
        "usdz-name-outside": (".usdz", zipped({"../../a.usda": USD})),
        "fbx-cut-off": (".fbx", b"Kaydara FBX Binary  \x00\x1a\x00" + struct.pack("<I", 7400) + bytes(60)),
        "fbx-claims-four-billion": (
            ".fbx",
            b"Kaydara FBX Binary  \x00\x1a\x00" + struct.pack("<IIIIB", 7400, 2**32 - 1, 2**31, 2**31, 5) + b"Props",
        ),
        "fbx-words": (".fbx", b"; FBX 7.4.0 project file\nObjects: {" + b"{" * 5000),
    }
    return {name: {f"model{suffix}": data} for name, (suffix, data) in models.items()}
