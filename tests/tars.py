"""Tar files, as other programs write them, and as nobody should."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

TIME = 1_700_000_000


def packed(
    members: Mapping[str, bytes] | Iterable[tuple[str, bytes]], kind: int = tarfile.GNU_FORMAT, time: int = TIME
) -> bytes:
    """A tar of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as tar:
        for name, data in members.items() if isinstance(members, Mapping) else members:
            tar.addfile(header(name, len(data), time=time), io.BytesIO(data))
    return buffer.getvalue()


def header(
    name: str, size: int = 0, *, kind: bytes = tarfile.REGTYPE, link: str = "", time: int = TIME
) -> tarfile.TarInfo:
    """What stands before a member."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mtime = size, kind, link, time
    return info


def with_odd(*odd: tarfile.TarInfo, **members: bytes) -> bytes:
    """A tar of files (``__`` stands for a point), with other members between them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info in odd:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
        for name, data in members.items():
            tar.addfile(header(name.replace("__", "."), len(data)), io.BytesIO(data))
    return buffer.getvalue()


def packed_tree(folder: Path, target: Path) -> Path:
    """A tree in G-Objaverse's layout as one tar, keyed by the assets' ids, with the times of its pictures."""
    with tarfile.open(target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(folder.rglob("*.png")):
            asset_id = file.parents[1].relative_to(folder).as_posix()
            tar.add(file, f"{asset_id}.{int(file.stem)}.png")
    return target
