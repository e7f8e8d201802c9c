"""Edition 0 of a version's codes in a file that the processes of a machine share.

The parts stand one after the other, then what they are as sealed JSON, then its length and the mark of such files.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshseek.files import abandoned_drafts, whole_file
from meshseek.sealed import sealed, unsealed
from meshseek.store.codes.parts import with_empty

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARK: Final = b"meshseek codes 1"
TAIL: Final = 8 + len(MARK)
MOST_DESCRIBED: Final = 1 << 20
"""Bytes of the description, of which there are some thirty lines."""
ALIGNED: Final = 64
READ_AT_ONCE: Final = 1 << 24


class DamagedFileError(ValueError):
    """A file is not what it should be; the message says in a few words what is wrong."""


def write_codes(path: Path, identity: str, blocks: Iterable[tuple[str, bytes]]) -> None:
    """Write a file at once, or nothing.

    Args:
        path: The file.
        identity: Of the edition.
        blocks: Name and content of each block, those of a part one after the other.

    Raises:
        OSError: It cannot be written.
    """
    with whole_file(path) as draft, draft.open("wb") as file:
        described: dict[str, dict[str, int]] = {}
        for part, content in blocks:
            if part not in described:
                file.write(bytes(-file.tell() % ALIGNED))
                described[part] = {"start": file.tell(), "bytes": 0, "crc": 0}
            own = described[part]
            file.write(content)
            own["bytes"] += len(content)
            own["crc"] = zlib.crc32(content, own["crc"])
        description = sealed({"identity": identity, "parts": described})
        file.write(description + len(description).to_bytes(8, "little") + MARK)


def open_codes(path: Path, identity: str, sizes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """The parts of a file, mapped into memory, once all of it was compared with its checksums.

    Args:
        path: The file.
        identity: Of the edition that is wanted.
        sizes: Bytes of each of its parts.

    Raises:
        OSError: It cannot be read; :class:`FileNotFoundError`, where it is not there.
        DamagedFileError: It is not that edition as it was written.
    """
    with path.open("rb") as file:
        described = _description(file.read, file.seek, path.stat().st_size)
    if described.get("identity") != identity:
        raise DamagedFileError("it holds other codes")
    parts = described.get("parts")
    if not isinstance(parts, dict) or {name: own["bytes"] for name, own in parts.items()} != dict(sizes):
        raise DamagedFileError("its parts are not those of the database")
    whole = np.memmap(path, dtype=np.uint8, mode="r")
    opened = {}
    for name, own in parts.items():
        content = whole[own["start"] : own["start"] + own["bytes"]]
        if len(content) != own["bytes"] or _checksum(content) != own["crc"]:
            raise DamagedFileError(f"the checksum of its part '{name}' differs")
        opened[name] = content
    return with_empty(opened)


def remove_others(folder: Path, prefix: str, kept: Path) -> None:
    """Remove the files of a database's former versions, and what processes left that were killed while they wrote.

    Who still maps a file keeps it until it lets go. A newer one stays: it is of a version that goes live in a moment.
    """
    with contextlib.suppress(OSError):
        newest = kept.stat().st_mtime_ns
        for path in folder.glob(f"{prefix}-*.codes"):
            if path != kept and path.stat().st_mtime_ns <= newest:
                path.unlink(missing_ok=True)
        for draft in abandoned_drafts(folder, deep=False):
            draft.unlink(missing_ok=True)


def _description(read: Any, seek: Any, size: int) -> dict[str, Any]:
    if size < TAIL:
        raise DamagedFileError("it is cut")
    seek(size - TAIL)
    tail = read(TAIL)
    length = int.from_bytes(tail[:8], "little")
    if tail[8:] != MARK or length > min(MOST_DESCRIBED, size - TAIL):
        raise DamagedFileError("it is cut, or no file of codes")
    seek(size - TAIL - length)
    try:
        return unsealed(read(length))
    except ValueError as error:
        raise DamagedFileError(f"of its description, {error}") from error


def _checksum(content: NDArray[np.uint8]) -> int:
    crc = 0
    for start in range(0, len(content), READ_AT_ONCE):
        crc = zlib.crc32(content[start : start + READ_AT_ONCE].data, crc)
    return crc
