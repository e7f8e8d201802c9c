"""Small libraries of models in their real formats, and ways to look at what became of them."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from meshseek.datasets import Dataset, Entry
from meshseek.model import Asset

CUBE = (
    "mtllib cube.mtl\n"
    + "".join(f"v {x} {y} {z}\n" for x in (0, 2) for y in (0, 2) for z in (0, 2))
    + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl paint\n"
    + "f 1/1 2/2 4/3 3/4\nf 5/1 7/2 8/3 6/4\nf 1/1 5/2 6/3 2/4\nf 3/1 4/2 8/3 7/4\nf 1/1 3/2 7/3 5/4\n"
    + "usemtl glass\nf 2 6 8 4\n"
)
PAINT = (
    "newmtl paint\nKd 1 0 0\nmap_Bump bump.png\nmap_Kd -s 1 1 1 C:\\Textures\\WOOD.PNG\n"
    "newmtl glass\nKd .5 .5 .5\nd .3\n"
)
"""Its texture is called by a lost folder, in the wrong case, and with an option."""

CATALOGUE = """
id=Test#Pack
license=Creative Commons Attribution 3.0 United States license \\u00a9 Somebody
id#1=Test#armchair
name#1=Fauteuil \xe9l\\u00e9gant
tags#1=Blend Swap, Seat
category#1=Living room
model#1=/pack/cube/cube.obj
width#1=100
depth#1=50
height#1=25
creator#1=Ren\xe9
id#2=Test#armchair
name#2=Lamp
category#2=Lights
model#2=/pack/plain/plain.obj
width#2=10
depth#2=10
height#2=40
modelRotation#2=1 0 0 0 0 1 0 -1 0
id#3=Test#broken
name#3=Broken
model#3=/pack/broken/broken.obj
width#3=1
depth#3=1
height#3=1
"""


def png(colour: tuple[int, ...] = (90, 60, 30), size: tuple[int, int] = (8, 8)) -> bytes:
    """Encode a plain picture."""
    buffer = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def make_sh3f(path: Path, **changes: bytes) -> Path:
    """Write a library of three items: a textured cube, a plain one stood on end, and a broken one."""
    members = {
        "PluginFurnitureCatalog.properties": CATALOGUE.encode("latin-1"),
        "PluginFurnitureCatalog_zh_CN.properties": b"name#1=\\u6905\\u5b50\nname#2=Lamp\n",
        "PluginFurnitureCatalog_zh_TW.properties": b"name#1=\\u6276\\u624b\\u6905\nname#2=\\u6aaf\\u71c8\n",
        "pack/cube/cube.obj": CUBE.encode(),
        "pack/cube/cube.mtl": PAINT.encode(),
        "pack/cube/wood.png": png(size=(2048, 16)),
        "pack/cube/bump.png": png(),
        "pack/plain/plain.obj": CUBE.encode(),
        "pack/plain/Cube.MTL": PAINT.encode(),
        "pack/broken/broken.obj": b"v 0 0 0\nf 1 2 3\n",
    }
    with zipfile.ZipFile(path, "w") as library:
        for name, data in (members | {name.replace("__", "."): data for name, data in changes.items()}).items():
            library.writestr(name, data)
    return path


def read_all(dataset: Dataset, models: Path) -> dict[str, Asset]:
    """Read every asset as a worker would: after a trip through pickle."""
    worker: Dataset = pickle.loads(pickle.dumps(dataset))
    entries: list[Entry] = pickle.loads(pickle.dumps(list(dataset.entries())))
    return {entry.asset_id: worker.read(entry, models) for entry in entries}


def tree_of(glb: Path) -> dict[str, Any]:
    """Read the JSON chunk of a GLB."""
    data = glb.read_bytes()
    assert data[:4] == b"glTF"
    assert struct.unpack_from("<I", data, 8)[0] == len(data)
    tree: dict[str, Any] = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    return tree
