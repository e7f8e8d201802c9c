"""OBJ models with their materials and textures."""

from __future__ import annotations

from collections.abc import Mapping

from tests.hostile import pictures
from tests.model_libraries import CUBE

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
TEXTURED = "mtllib a.mtl\n" + CUBE.partition("\n")[2]
PAINT = "newmtl paint\nmap_Kd {}\n"
CORNERS = 250

LINKS: Mapping[str, Mapping[str, str]] = {
    "obj-link-to-passwd": {"link.obj": "/etc/passwd"},
    "obj-link-in-a-circle": {"circle.obj": "circle.obj"},
    "obj-texture-link-to-shadow": {"t.png": "/etc/shadow"},
    "obj-materials-link-to-environment": {"a.mtl": "/proc/self/environ"},
    "obj-link-to-zeroes": {"zero.obj": "/dev/zero"},
}


def cases() -> dict[str, dict[str, bytes | None]]:
    """Files by case; the first is the model."""
    return {**_texts(), **_materials(), **_textures()}


def _texts() -> dict[str, dict[str, bytes | None]]:
    ring = "".join(f"v {n} {n * 7919 % 10007} 0\n" for n in range(CORNERS))
    dented = "f " + " ".join(str(1 + n) for n in range(CORNERS)) + "\n"
    texts: dict[str, str | bytes] = {
        "empty": "",
        "only-zeroes": bytes(100_000),
        "only-newlines": "\n" * 1_000_000,
        "no-newline": "v" * 1_000_000,
        "endless-face": SQUARE + "f " + "1 2 3 4 " * 1_300_000,
        "endless-dented-faces": ring + dented * 4_000,
        "face-of-one": SQUARE + "f 1\nf 1 2\n",
        "face-of-nothing": SQUARE + "f \nf  \n",
        "many-small-faces": SQUARE + "f 1 2 3\n" * 20_000,
        "far-index": SQUARE + "f 1 2 999999999999\n",
        "negative-index": SQUARE + "f -1 -2 -99\n",
        "index-of-thousands-of-digits": SQUARE + "f 1 2 " + "9" * 5000 + "\n",
        "number-of-thousands-of-digits": "v " + "9" * 5000 + " 0 0\n" + SQUARE + "f 1 2 3\n",
        "nan": "v nan nan nan\nv 0 1 0\nv 1 1 0\nf 1 2 3\n",
        "inf": "v inf 0 0\nv 0 -inf 0\nv 1 1 0\nf 1 2 3\n",
        "huge-numbers": "v 1e308 0 0\nv 0 1e308 0\nv 1 1 0\nf 1 2 3\n",
        "tiny-numbers": "v 0 0 0\nv 1e-300 0 0\nv 0 1e-300 0\nf 1 2 3\n",
        "one-point": "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n",
        "slashes": SQUARE + "f 1//// 2/// 3//\n",
        "many-slashes": SQUARE + "f " + "1/" * 100_000 + "\n",
        "continued-for-ever": SQUARE + "f 1 2 \\\n" * 100_000,
        "underscored-digits": "v 1_0 0 0\n" + SQUARE + "f 1 2 3\n",
        "arabic-digits": SQUARE + "f ١ ٢ ٣\n",  # that is what it is about
        "controls": "v 0 0 0\x1b[2J\n" + SQUARE + "o \x07\x9b2J\nf 1 2 3\n",
        "curves": "cstype bspline\ndeg 3\n" + SQUARE + "curv 0 1 1 2 3 4\nend\nf 1 2 3\n",
        "calls": "call /etc/passwd\ncsh touch owned\n" + SQUARE + "f 1 2 3\n",
        "zip-in-front": b"PK\x03\x04" + bytes(26) + (SQUARE + "f 1 2 3\n").encode(),
        "utf16": (SQUARE + "f 1 2 3\n").encode("utf-16"),
    }
    files: dict[str, dict[str, bytes | None]] = {
        f"obj-{name}": {"a.obj": text if isinstance(text, bytes) else text.encode()} for name, text in texts.items()
    }
    files["obj-pipe"] = {"pipe.obj": None}
    return files | {name: {} for name in LINKS if name.startswith("obj-link")}


def _materials() -> dict[str, dict[str, bytes | None]]:
    texts = {
        "many-materials": "".join(f"newmtl m{n}\nKd 1 0 0\n" for n in range(50_000)),
        "one-endless-line": "newmtl " + "m" * 1_000_000,
        "endless-options": PAINT.format("-s 1 1 1 " * 50_000 + "a.png"),
        "half-options": PAINT.format("-mm " + "1 " * 100_000),
        "not-numbers": "newmtl paint\nKd nan inf -1\nd nan\nNs 1e400\nKs 1 1 1\nTr -inf\n",
        "above": PAINT.format("../../../../../../etc/passwd"),
        "absolute": PAINT.format("/etc/passwd"),
        "drive": PAINT.format("C:\\..\\..\\secret.png"),
        "address": PAINT.format("http://127.0.0.1:9/a.png"),
        "pipe-name": PAINT.format("|touch owned"),
        "nul": PAINT.format("a\0b.png"),
        "long-name": PAINT.format("n" * 5000),
        "deep-name": PAINT.format("d/" * 120 + "a.png"),
        "itself": PAINT.format("a.obj"),
    }
    cases: dict[str, dict[str, bytes | None]] = {
        f"mtl-{name}": {"a.obj": TEXTURED.encode(), "a.mtl": text.encode()} for name, text in texts.items()
    }
    called = "mtllib a.mtl\n" * 20_000 + CUBE.partition("\n")[2]
    cases["mtl-called-often"] = {"a.obj": called.encode(), "a.mtl": ("newmtl m\n" * 20_000).encode()}
    cases["obj-materials-link-to-environment"] = {"a.obj": TEXTURED.encode()}
    cases["mtl-pipe"] = {"a.obj": TEXTURED.encode(), "a.mtl": None}
    return cases


def _textures() -> dict[str, dict[str, bytes | None]]:
    cases: dict[str, dict[str, bytes | None]] = {
        f"texture-{name}": {"a.obj": TEXTURED.encode(), "a.mtl": PAINT.format("t.png").encode(), "t.png": data}
        for name, data in pictures.textures().items()
    }
    cases["obj-texture-link-to-shadow"] = {"a.obj": TEXTURED.encode(), "a.mtl": PAINT.format("t.png").encode()}
    return cases
