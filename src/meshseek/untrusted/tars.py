"""Tar files that somebody may have made to harm: walked header by header, and nothing of them is unpacked.

Only regular members count that are named as lying below the tar. Links, devices and the like are counted and passed
over; so are names that lead elsewhere, or are very long or deep. A member's content is read straight from the tar, from
where its header was, and only if that header is still there.
"""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from meshseek.errors import UnreadableAssetError

BLOCK = 512
MOST_HEADERS = 2_000_000
"""Of one tar: of its members, and those that say more of them."""
MOST_EXTENDED_BYTES = 64 << 10
"""Of what stands before a member and says more of it, such as a long name."""
MOST_NAME, DEEPEST = 500, 32
COMPRESSED = {b"\x1f\x8b": "gunzip", b"BZh": "bunzip2", b"\xfd7zXZ\0": "unxz", b"\x28\xb5\x2f\xfd": "unzstd"}
"""How compressed files begin, and what unpacks them."""
ReadAt = Callable[[int, int], bytes]
"""Reads so many bytes from a place, and fewer only where the file ends."""
_REGULAR, _EMPTY, _EXTENDED, _LONG_NAME = b"07\0", b"123456V", b"xX", b"L"
_SKIPPED_EXTENSIONS = b"gK"
_SECOND = 10**9
_PART = 4 << 20
_MOST_ZEROS = 16 << 20
"""At the end of a tar: it is filled up with them to a multiple of what was written at a time."""
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_RECORD = re.compile(rb"([1-9]\d{0,6}) ([^=\n]+)=")
_WHOLE = re.compile(rb"\d{1,18}")
_TIME = re.compile(rb"(\d{1,11})(?:\.(\d*))?")
_ELSEWHERE = re.compile(r"^/|^[A-Za-z]:|(^|/)\.{0,2}(/|\Z)|\\|\0")


class Member(NamedTuple):
    """A regular file in a tar."""

    name: str
    """Below the tar, without ``./`` in front."""
    begins: int
    """Where it begins in the tar, with what says more of it than its header can."""
    header: int
    """Where its header is; its content follows."""
    size: int
    """Of its content, in bytes."""
    time: int
    """Of its last change, in nanoseconds, though most tars know only seconds; 0 where it does not say."""
    check: int
    """Of its header, four bytes: another member is hardly ever taken for this one."""


def reading(file: BinaryIO) -> ReadAt:
    """Read an open file anywhere."""

    def read_at(place: int, size: int) -> bytes:
        data = os.pread(file.fileno(), size, place)
        while len(data) < size and (more := os.pread(file.fileno(), size - len(data), place + len(data))):
            data += more
        return data

    return read_at


def read_member(read_at: ReadAt, member: tuple[int, int, int]) -> bytes:
    """The content of a member.

    Args:
        read_at: Reads the tar.
        member: Where its header is, its size, and the header's check.

    Raises:
        UnreadableAssetError: The tar is not what it was when it was walked.
        OSError: It cannot be read.
    """
    header, size, check = member
    data = read_at(header, BLOCK + size)
    if len(data) != BLOCK + size or _check(data[:BLOCK]) != check:
        raise _changed()
    return data[BLOCK:]


def parts_of(read_at: ReadAt, member: Member) -> Iterator[bytes]:
    """The content of a member that may be large, in parts.

    Raises:
        UnreadableAssetError: The tar is not what it was when it was walked.
        OSError: It cannot be read.
    """
    for start in range(0, member.size, _PART):
        wanted = min(_PART, member.size - start)
        part = read_at(member.header + BLOCK + start, wanted)
        if len(part) != wanted or _check(read_at(member.header, BLOCK)) != member.check:
            raise _changed()
        yield part


def is_member(read_at: ReadAt, member: tuple[int, int, int]) -> bool:
    """Whether a member is still where it was, by its header and the length of the tar.

    Raises:
        OSError: The tar cannot be read.
    """
    header, size, check = member
    last = read_at(header + BLOCK + size - 1, 1) if size else b"0"
    return bool(last) and _check(read_at(header, BLOCK)) == check


class Tar:
    """A tar, or a part of it.

    Args:
        read_at: Reads it.
        size: Of the whole tar, in bytes.
    """

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self._read_at = read_at
        self._size = size
        self._extended: dict[str, bytes] = {}
        self._is_sparse = False
        self.passed_over: Counter[str] = Counter()
        """How many members are none of ours, by what they are, in words."""

    def members(self, start: int = 0, end: int | None = None) -> Iterator[Member]:
        """Those between two places, where members begin.

        Raises:
            UnreadableAssetError: It is compressed, damaged, cut off or of a kind that cannot be read from the middle.
            OSError: It cannot be read.
        """
        place = begins = start
        for _ in range(MOST_HEADERS):
            if end is not None and place >= end:
                return
            header = self._read_at(place, BLOCK)
            if not header.strip(b"\0") and len(header) == BLOCK:
                self._expect_end(place)
                return
            kind = self._kind(header, place)
            size = 0 if kind in _EMPTY else self._size_in(header, kind)
            following = place + BLOCK + -(-size // BLOCK) * BLOCK
            if place + BLOCK + size > self._size:
                raise _cut_off()
            if kind in _EXTENDED + _LONG_NAME + _SKIPPED_EXTENSIONS:
                self._extend(kind, place + BLOCK, size)
            else:
                member = self._member(header, (begins, place, size)) if kind in _REGULAR else None
                if member is not None:
                    yield member
                elif kind not in _REGULAR + b"5":
                    self.passed_over["links, devices and the like"] += 1
                self._extended, self._is_sparse = {}, False
                begins = following
            place = following
        raise UnreadableAssetError(f"it has more than {MOST_HEADERS:,} headers; divide it")

    def _kind(self, header: bytes, place: int) -> bytes:
        """The letter that says what a header is of, if it is one."""
        if place == 0 and (tool := next((tool for magic, tool in COMPRESSED.items() if header.startswith(magic)), "")):
            raise UnreadableAssetError(f"it is compressed, and cannot be read from the middle; unpack it with '{tool}'")
        if len(header) < BLOCK:
            raise _cut_off()
        if _octal(header[148:156]) != sum(header[:148]) + sum(header[156:]) + 8 * 32:
            raise UnreadableAssetError(f"it is damaged at byte {place:,}, or no tar; copy it again, or pack it again")
        kind = header[156:157]
        if kind in b"SM":  # what follows is not where its size says
            raise UnreadableAssetError("it has sparse files, or goes on in another tar; pack it with plain 'tar -cf'")
        return kind

    def _size_in(self, header: bytes, kind: bytes) -> int:
        told = self._extended.get("size")
        if told is not None and kind in _REGULAR:
            if not _WHOLE.fullmatch(told):
                raise _damaged_extension()
            return int(told)
        size = _octal(header[124:136])
        if size is None:
            raise UnreadableAssetError("it is damaged: a member has no size; pack it again")
        return size

    def _member(self, header: bytes, place: tuple[int, int, int]) -> Member | None:
        """A regular member, unless it is passed over."""
        try:
            name = self._name_in(header).decode()
        except UnicodeDecodeError:
            name = "/"  # nobody can ask for it
        while name.startswith("./"):
            name = name[2:].lstrip("/")
        if name.endswith("/"):  # how old programs mark folders
            return None
        if len(name) > MOST_NAME or name.count("/") > DEEPEST or _ELSEWHERE.search(name):
            self.passed_over["named as lying elsewhere, or too long or not in UTF-8"] += 1
            return None
        if self._is_sparse:
            self.passed_over["sparse"] += 1
            return None
        begins, at, size = place
        return Member(name, begins, at, size, self._time_in(header), _check(header))

    def _name_in(self, header: bytes) -> bytes:
        name = self._extended.get("path") or header[:100].partition(b"\0")[0]
        if "path" not in self._extended and header[257:263] == b"ustar\0" and header[345]:
            return header[345:500].partition(b"\0")[0] + b"/" + name
        return name

    def _time_in(self, header: bytes) -> int:
        told = _TIME.fullmatch(self._extended.get("mtime", b""))
        if told is not None:
            return int(told[1]) * _SECOND + int((told[2] or b"")[:9].ljust(9, b"0"))
        return (_octal(header[136:148]) or 0) * _SECOND

    def _extend(self, kind: bytes, place: int, size: int) -> None:
        """Take what is said of the next member."""
        if size > MOST_EXTENDED_BYTES:
            raise UnreadableAssetError(f"a name in it has {size / 1e6:,.1f} MB; pack it again with shorter names")
        if kind in _SKIPPED_EXTENSIONS:
            return
        data = self._read_at(place, size)
        told = {"path": data.partition(b"\0")[0]} if kind == _LONG_NAME else _records(data)
        # Nothing else is kept: as many of these headers as anybody likes may stand before one member.
        self._extended |= {key: told[key] for key in ("path", "size", "mtime") if key in told}
        self._is_sparse |= any(key.startswith("GNU.sparse.") for key in told)

    def _expect_end(self, place: int) -> None:
        """See that nothing follows the end: a tar that was appended to another by ``cat`` would not be seen."""
        for start in range(place, min(self._size, place + _MOST_ZEROS), _PART):
            if self._read_at(start, _PART).strip(b"\0"):
                raise UnreadableAssetError("another tar follows its end; put tars together with 'tar --concatenate'")
        if self._size > place + _MOST_ZEROS:
            raise UnreadableAssetError(f"more than {_MOST_ZEROS >> 20} MB follow its end; pack it again")


def _records(data: bytes) -> dict[str, bytes]:
    """What an extended header of POSIX says."""
    records, place = {}, 0
    while place < len(data):
        match = _RECORD.match(data, place)
        end = place + int(match[1]) if match else 0
        if match is None or end <= match.end() - 1 or data[end - 1 : end] != b"\n":
            raise _damaged_extension()
        records[match[2].decode(errors="replace")] = data[match.end() : end - 1]
        place = end
    return records


def _octal(field: bytes) -> int | None:
    """A number in a header; None where it is none, or below zero."""
    if field[0] == 0x80:  # noqa: PLR2004  # GNU's way for large ones
        return int.from_bytes(field[1:])
    match = _OCTAL.fullmatch(field)
    return int(match[1] or b"0", 8) if match else None


def _check(header: bytes) -> int:
    return zlib.crc32(header)


def _changed() -> UnreadableAssetError:
    return UnreadableAssetError("the tar changed after it was imported; run 'meshseek update'")


def _cut_off() -> UnreadableAssetError:
    return UnreadableAssetError("it is cut off; copy it again, or wait until it is written")


def _damaged_extension() -> UnreadableAssetError:
    return UnreadableAssetError("it is damaged: what it says of a member cannot be read; pack it again")
