"""Captions, id maps, and renders with their cameras."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.model_libraries import png

LINKS: Mapping[str, Mapping[str, str]] = {
    "renders-picture-link": {"0/1/00000/00000.png": "/etc/passwd"},
    "renders-folder-link": {"0/1": "/etc"},
    "renders-circle": {"0/1/00000": "00000"},
}


def captions() -> dict[str, tuple[str, bytes]]:
    """Name and content of the file, by case; the only model is ``cube``."""
    deep = '{"cube": {"caption": "a", "x": ' + "[" * 900 + "]" * 900 + "}}"
    said = {
        "huge-caption": "w" * 3_000_000,
        "many-captions": ["a red cube"] * 100_000,
        "orders": "\x1b]0;owned\x07 red \u202e \x9b2J \0 \ud800",
        "other-types": {"caption": 7, "tags": {"a": [None, True, 1e308]}, "licence": ["x"] * 5000},
        "huge-tag": {"caption": "a", "tags": "t" * 100_000, "category": "c" * 100_000},
        "many-tags": {"caption": "a", "tags": ";".join(map(str, range(100_000)))},
        "many-attributes": {"caption": "a", **{f"k{n}": n for n in range(20_000)}},
        "same-names-as-ours": {
            "caption": "a",
            "faces": "many",
            "size": {"certainty": []},
            "library": "../..",
            "permits": 1,
        },
        "formula": '=cmd|"/C calc"!A0',
        "html": "<script>alert(1)</script>",
    }
    cases = {f"json-{name}": ("captions.json", json.dumps({"cube": value}).encode()) for name, value in said.items()}
    csv = {
        "no-header": b"cube,a red cube\n",
        "endless-quote": b'id,caption\ncube,"' + b"a" * 3_000_000,
        "large-field": b"id,caption\ncube," + b"a" * 3_000_000 + b"\n",
        "many-columns": b"id," + b",".join(b"c%d" % n for n in range(50_000)) + b"\n",
        "many-rows": b"id,caption\n" + b"cube,a red cube\n" * 20_000,
        "nul": b"id,caption\ncube,a\0b\n",
        "binary": bytes(range(256)) * 1000,
        "utf16": "id,caption\ncube,a\n".encode("utf-16"),
        "empty": b"",
    }
    cases |= {f"csv-{name}": ("captions.csv", data) for name, data in csv.items()}
    whole = {
        "json-deep": b'{"cube":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "json-deep-value": deep.encode(),
        "json-huge-number": b'{"cube": {"x": ' + b"9" * 10_000 + b"}}",
        "json-list": b"[]",
        "json-cut": b'{"cube": "a',
        "json-nan": b'{"cube": {"caption": "a", "width": NaN, "height": Infinity, "depth": 1e999}}',
        "json-invalid-utf8": b'{"cube": "\xff"}',
        "json-empty": b"",
    }
    return cases | {name: ("captions.json", data) for name, data in whole.items()}


def maps() -> dict[str, bytes]:
    """Id maps for an asset ``0/1``."""
    values = {
        "above": "../../../etc/passwd",
        "absolute": "/etc/passwd",
        "not-a-text": [1],
        "empty": "",
        "address": "http://127.0.0.1:9/a.glb",
        "nul": "a\0b.glb",
        "long": "m" * 1_000_000,
        "half-character": "\ud800.glb",
    }
    cases = {f"map-{name}": json.dumps({"0/1": value}).encode() for name, value in values.items()}
    return cases | {
        "map-deep": b'{"0/1":' + b"[" * 100_000,
        "map-list": b"[]",
        "map-number": b'{"0/1":' + b"9" * 9000 + b"}",
    }


def renders() -> dict[str, dict[str, bytes | None]]:
    """Files of an asset ``0/1``, by case."""
    view, camera = "0/1/00000/00000.png", "0/1/00000/00000.json"
    cameras = {
        "deep": b'{"bbox":' + b"[" * 60_000,
        "huge-number": b'{"bbox": [[' + b"9" * 9000 + b",0,0],[1,1,1]]}",
        "nan": b'{"bbox": [[NaN,0,0],[Infinity,1,1]]}',
        "texts": b'{"bbox": [["a","b","c"],[{},[],null]]}',
        "endless": b'{"bbox": [[0,0,0],[1,1,1]], "x": "' + b"x" * 3_000_000,
        "list": b"[]",
    }
    cases: dict[str, dict[str, bytes | None]] = {
        f"camera-{name}": {view: png(), camera: data} for name, data in cameras.items()
    }
    cases["camera-pipe"] = {view: png(), camera: None}
    cases["renders-pipe"] = {view: None}
    return cases | {name: {} for name in LINKS}
