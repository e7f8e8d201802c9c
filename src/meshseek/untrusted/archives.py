"""Zip archives that somebody may have made to harm: what their directory says is checked before anything is read."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from meshseek.errors import UnreadableAssetError
from meshseek.untrusted.files import open_inside

MOST_DIRECTORY_BYTES = 16 << 20
MOST_MEMBERS = 100_000
MOST_MEMBER_BYTES = 512 << 20
MOST_BYTES = 16 << 30
"""Of all members together, unpacked."""
MOST_READ_BYTES = 1 << 30
"""Of the members that are read while the archive is open, which is for one asset."""
SMALL_BYTES = 32 << 20
MOST_RATIO = 200
"""A member that unpacks to more than :data:`SMALL_BYTES` may be packed so tightly, and no tighter."""
MOST_NAME, DEEPEST = 500, 32
_ELSEWHERE = re.compile(r"^/|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)")
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class Archive:
    """An open zip, of which only members that are sound are seen.

    Left out are members that are encrypted, links or devices, packed in rare ways, named twice, or named as lying
    elsewhere, very deep or very long.
    """

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zip = zipped
        infos = zipped.infolist()
        _check(infos)
        counts = Counter(info.filename for info in infos)
        self.listed = [info for info in infos if counts[info.filename] == 1 and _is_sound(info)]
        """What is sound, in the directory's order, folders among it."""
        self.members = {info.filename: info for info in self.listed if not info.is_dir()}
        """What is sound and can be read, by name."""
        self._left = MOST_READ_BYTES

    def read(self, name: str, most: int = MOST_MEMBER_BYTES) -> bytes:
        """Unpack a member.

        Raises:
            UnreadableAssetError: It is larger than ``most`` bytes, or too much was read before.
            KeyError: There is no such member, or it is not sound.
            ValueError, zipfile.BadZipFile, zlib.error, OSError: The archive is damaged.
        """
        info = self.members[name]
        if info.file_size > min(most, self._left):
            raise UnreadableAssetError(f"'{name[:80]}' unpacks to {info.file_size / 1e6:,.0f} MB; reduce it")
        self._left -= info.file_size
        parts, size = [], 0
        with self._zip.open(info) as member:
            while part := member.read(1 << 20):
                size += len(part)
                if size > info.file_size:
                    raise zipfile.BadZipFile("a member is larger than the directory says")
                parts.append(part)
        return b"".join(parts)


@contextmanager
def opened_archive(path: Path, root: Path) -> Iterator[Archive]:
    """Open a zip that really lies in a folder.

    Args:
        path: The file.
        root: The folder, or the file itself.

    Raises:
        UnreadableAssetError: It is elsewhere, no regular file, or says of itself that it unpacks to too much.
        zipfile.BadZipFile: It is damaged.
        OSError: It cannot be read.
    """
    with open_inside(path, root) as file, zipfile.ZipFile(_Bounded(file)) as zipped:
        yield Archive(zipped)


@contextmanager
def archive_of(content: bytes) -> Iterator[Archive]:
    """Open a zip that was read.

    Raises:
        UnreadableAssetError: It says of itself that it unpacks to too much.
        zipfile.BadZipFile: It is damaged.
    """
    with zipfile.ZipFile(_Bounded(io.BytesIO(content))) as zipped:
        yield Archive(zipped)


class _Bounded(io.RawIOBase):
    """A file of which no part is read that is larger than a directory may be: zipfile reads that one in one go."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if size > MOST_DIRECTORY_BYTES:
            raise UnreadableAssetError(f"its directory has more than {MOST_DIRECTORY_BYTES >> 20} MB; divide it")
        return self._file.read(MOST_DIRECTORY_BYTES if size < 0 else size)


def _check(infos: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that would fill the memory or the disk.

    Raises:
        UnreadableAssetError: It would.
    """
    if len(infos) > MOST_MEMBERS:
        raise UnreadableAssetError(f"it has {len(infos):,} members; divide it into parts of at most {MOST_MEMBERS:,}")
    total = sum(info.file_size for info in infos)
    if total > MOST_BYTES:
        raise UnreadableAssetError(f"it unpacks to {total / 1e9:,.0f} GB; divide it into parts")
    for info in infos:
        too_large = info.file_size > MOST_MEMBER_BYTES
        if too_large or (info.file_size > SMALL_BYTES and info.file_size > MOST_RATIO * info.compress_size):
            told = f"{info.compress_size / 1e6:,.1f} MB to {info.file_size / 1e6:,.0f} MB"
            raise UnreadableAssetError(f"its member '{info.filename[:80]}' unpacks from {told}; take it out")


def _is_sound(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return (
        kind in {0, stat.S_IFREG, stat.S_IFDIR if info.is_dir() else 0}
        and not info.flag_bits & 1
        and info.compress_type in _METHODS
        and len(info.filename) <= MOST_NAME
        and info.filename.count("/") <= DEEPEST
        and _ELSEWHERE.search(info.filename) is None
    )
