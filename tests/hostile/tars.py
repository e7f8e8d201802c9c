"""Tar files: headers that lie, members that lead elsewhere, and pictures that are none."""

from __future__ import annotations

import gzip
import io
import tarfile

from tests.hostile import pictures
from tests.model_libraries import png
from tests.tars import header, packed, with_odd

WHOLE = {"a.0.png": png(), "a.0.json": b"{}", "a.txt": b"a thing"}


def cases() -> dict[str, bytes]:
    """Each tar, by case."""
    return {**_headers(), **_members(), **_contents()}


def _headers() -> dict[str, bytes]:
    plain = packed(WHOLE)
    return {
        "plain": plain,
        "cut": plain[:700],
        "empty": b"",
        "zeroes": bytes(20_480),
        "compressed": gzip.compress(plain),
        "size-of-8-gb": _altered(plain, 124, b"77777777777\0"),
        "size-below-zero": _altered(plain, 124, b"\xff" * 12),
        "size-beyond-numbers": _altered(plain, 124, b"\x80" + b"\xff" * 11),
        "time-beyond-numbers": _altered(plain, 136, b"\x80" + b"\xff" * 11),
        "no-checksum": plain[:148] + bytes(8) + plain[156:],
        "sparse": _altered(plain, 156, b"S"),
        "next-volume": _altered(plain, 156, b"M"),
        "two-in-one": plain + plain,
        "endless-name": with_odd(header("n", 1 << 20, kind=b"L"), a__0__png=png()),
        "endless-record": with_odd(header("n", 1 << 20, kind=b"x"), a__0__png=png()),
        "record-of-no-length": _recorded(b"0 path=a.1.png\n"),
        "record-beyond-end": _recorded(b"9999 path=a.1.png\n"),
        "record-of-digits": _recorded(b"60010 size=" + b"9" * 59_998 + b"\n"),
    }


def _altered(data: bytes, place: int, field: bytes) -> bytes:
    """With another field in the first header, whose sum fits again."""
    changed = bytearray(data)
    changed[place : place + len(field)] = field
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


def _recorded(record: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(header("x", len(record), kind=b"x"), io.BytesIO(record))
        tar.addfile(header("a.0.png", len(png())), io.BytesIO(png()))
    return buffer.getvalue()


def _members() -> dict[str, bytes]:
    odd = {
        "link": header("a.1.png", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        "hard-link": header("a.1.png", kind=tarfile.LNKTYPE, link="/etc/passwd"),
        "device": header("a.1.png", kind=tarfile.CHRTYPE),
        "above": header("../../etc/passwd.1.png", 9),
        "absolute": header("/etc/passwd.1.png", 9),
        "deep": header("d/" * 5000 + "a.1.png", 9),
        "long": header("n" * 60_000 + ".1.png", 9),
        "escape": header("\x1b[2J\u202e.0.png", 9),
    }
    return {f"name-{kind}": with_odd(info, a__0__png=png()) for kind, info in odd.items()} | {
        "many-members": packed({f"{number}.cls": b"" for number in range(20_000)} | WHOLE),
        "many-pictures": packed({f"a.{number}.png": b"" for number in range(20_000)}),
        "not-adjacent": packed([("a.0.png", png()), ("b.0.png", png()), ("a.1.png", png())]),
        "twice": packed([("a.0.png", png()), ("a.0.png", png())]),
        "number-beyond-shorts": packed({"a.99999.png": png()}),
    }


def _contents() -> dict[str, bytes]:
    return {
        "json-deep": packed(WHOLE | {"a.json": b"[" * 500_000}),
        "json-huge-number": packed(WHOLE | {"a.json": b'{"a": ' + b"9" * 5000 + b"}"}),
        "camera-deep": packed(WHOLE | {"a.0.json": b'{"bbox": ' + b"[" * 100_000}),
        "caption-of-2-mb": packed(WHOLE | {"a.txt": b"x" * (2 << 20)}),
        "model-is-none": packed(WHOLE | {"a.glb": b"glTF" + bytes(100)}),
        "picture-gigapixel": packed({"a.0.png": pictures.cases()["png-gigapixel"], "a.0.json": b"{}"}),
        "picture-eps": packed({"a.0.png": pictures.cases()["eps"], "a.0.json": b"{}"}),
    }
