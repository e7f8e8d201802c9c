"""Furniture libraries: zips that burst, lie, and lead elsewhere."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

from tests.hostile import pictures
from tests.model_libraries import CATALOGUE, CUBE

NAME = "PluginFurnitureCatalog.properties"
ITEM = "id#1=a\nname#1={name}\nmodel#1={model}\nwidth#1=1\ndepth#1=1\nheight#1=1\n"


def packed(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method, 9)
    return buffer.getvalue()


def library(model: str = "/a.obj", name: str = "Chair", **more: bytes) -> bytes:
    """A library of one cube, and more members; ``__`` stands for a point."""
    members = {NAME: ITEM.format(model=model, name=name).encode("latin-1"), "a.obj": CUBE.encode()}
    return packed(members | {key.replace("__", "."): data for key, data in more.items()})


def cases() -> dict[str, bytes]:
    """Each library, by case."""
    return {**_sizes(), **_names(), **_catalogues()}


def _sizes() -> dict[str, bytes]:
    plain = library()
    inner = packed({f"{n}.obj": bytes(1 << 20) for n in range(10)})
    for _ in range(4):
        inner = packed({f"{n}.zip": inner for n in range(4)})
    return {
        "bomb-model": library(a__obj=bytes(40 << 20)),
        "bomb-catalogue": packed({NAME: b"# " + bytes(40 << 20), "a.obj": b""}),
        "bomb-just-below": library(t__png=bytes(16 << 20)),
        "bomb-of-zips": library(model="/a.zip", a__zip=inner),
        "many-members": packed({NAME: b"id#1=a\n", **{f"d/{n}": b"" for n in range(5_000)}}, zipfile.ZIP_STORED),
        "size-lies": plain.replace(struct.pack("<I", len(CUBE)), struct.pack("<I", 10)),
        "size-lies-upwards": plain.replace(struct.pack("<I", len(CUBE)), struct.pack("<I", 2**32 - 2)),
        "directory-of-4-gb": plain[:-10] + struct.pack("<II", 2**32 - 2, 0) + b"\0\0",
        "members-overlap": _overlapping(),
        "cut": plain[: len(plain) // 2],
        "cut-at-the-end": plain[:-30],
        "only-end": plain[-22:],
        "empty": b"",
        "wrong-crc": plain.replace(b"PK\x01\x02", b"PK\x01\x02", 1)[:14] + b"\0\0\0\0" + plain[18:],
        "picture-in-front": pictures.cases()["png-and-zip"] + plain,
    }


def _overlapping() -> bytes:
    """Two members of the directory that are the same bytes."""
    data = library(b__obj=CUBE.encode())
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    return data[: second + 42] + data[first + 42 : first + 46] + data[second + 46 :]


def _names() -> dict[str, bytes]:
    names = {
        "above": "../../../../etc/passwd",
        "absolute": "//etc/passwd",
        "drive": "C:/a.obj",
        "backslashes": "..\\..\\a.obj",
        "nul": "a\0b.obj",
        "deep": "d/" * 5000 + "a.obj",
        "long": "n" * 60_000 + ".obj",
        "pipe": "|touch owned.obj",
        "dae": "/a.dae",
    }
    cases = {
        f"name-{kind}": packed({NAME: ITEM.format(model=name, name="Chair").encode("latin-1"), name: CUBE.encode()})
        for kind, name in names.items()
    }
    link = io.BytesIO(library())
    with zipfile.ZipFile(link, "a") as archive:
        info = zipfile.ZipInfo("link.obj")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    encrypted = bytearray(library())
    place = encrypted.index(b"PK\x01\x02")
    second = encrypted.index(b"PK\x01\x02", place + 4)
    encrypted[second + 8] |= 1
    return cases | {
        "name-link": link.getvalue().replace(b"model#1=/a.obj", b"model#1=/link"),
        "case-clash": library(A__OBJ=b"nothing", model="/A.Obj"),
        "encrypted": bytes(encrypted),
    }


def _catalogues() -> dict[str, bytes]:
    texts = {
        "real": CATALOGUE,
        "empty": "",
        "endless-line": "id#1=" + "x" * 5_000_000,
        "endless-escapes": "name#1=" + "\\" * 1_000_001 + "\n",
        "endless-continuation": "name#1=a\\\n" * 200_000,
        "absurd-number": f"name#{'9' * 9000}=a\nmodel#{'9' * 9000}=/a.obj\n",
        "many-items": "".join(f"id#{n}=a\nmodel#{n}=/a.obj\n" for n in range(5_000)),
        "half-characters": ITEM.format(model="/a.obj", name="\\ud800\\udc00\\ud800 \\u001b[2J \\u202e"),
        "huge-size": ITEM.format(model="/a.obj", name="a").replace("width#1=1", "width#1=1e308"),
        "no-size": ITEM.format(model="/a.obj", name="a").replace("width#1=1", "width#1=nan"),
        "odd-turn": ITEM.format(model="/a.obj", name="a") + "modelRotation#1=" + "1 " * 100_000 + "\n",
        "flat-turn": ITEM.format(model="/a.obj", name="a") + "modelRotation#1=0 0 0 0 0 0 0 0 0\n",
        "long-tag": ITEM.format(model="/a.obj", name="a") + "tags#1=" + "t" * 100_000 + "\n",
    }
    return {
        f"catalogue-{name}": packed({NAME: text.encode("latin-1"), "a.obj": CUBE.encode()})
        for name, text in texts.items()
    }
