"""A zip that is made while it is sent: of its files, only what was not taken yet is in memory."""

from __future__ import annotations

from typing import IO, Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The first that a zip can name: the same files are the same zip, whenever it is made."""
_MODE: Final = 0o644
_UNIX: Final = 3
_LONG: Final = (1 << 31) - 1
"""Bytes from which on a file's entry has another form."""


class _Made:
    """What was written and not taken yet. It has no place to go back to, so the zip is written in one go."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def close(self) -> None:
        """Nothing is held."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class ZipParts:
    """Write files into a zip one after the other, and take what came of it as often as you like.

    Nothing is compressed: models mostly hold pictures that are, and the same models are the same zip with every zlib.
    """

    def __init__(self) -> None:
        self._made = _Made()
        self._zip = ZipFile(self._made, "w", ZIP_STORED)

    def file(self, name: str, size: int | None) -> IO[bytes]:
        """A file that is to be written, and closed before the next one is.

        Args:
            name: In the zip.
            size: In bytes as far as it is known; None where it may be any.
        """
        info = ZipInfo(name, _TIME)
        info.create_system, info.external_attr, info.file_size = _UNIX, _MODE << 16, size or 0
        return self._zip.open(info, "w", force_zip64=size is None or size > _LONG)

    def add(self, name: str, content: bytes) -> None:
        """A file as a whole."""
        with self.file(name, len(content)) as file:
            file.write(content)

    def taken(self) -> bytes:
        """What came since this was last asked for."""
        return self._made.taken()

    def end(self) -> bytes:
        """What comes after the last file: without it nothing takes this for a zip."""
        self._zip.close()
        return self.taken()
