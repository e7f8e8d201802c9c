"""Views in a tar: where the pictures of one asset are, written as the name of a folder that is not there.

So they are named wherever a folder of views is (in tables, in databases, in what is sent to workers), and read without
anything else having to be looked up. A picture takes about ten characters.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from meshseek.errors import UnreadableAssetError
from meshseek.untrusted.files import open_inside
from meshseek.untrusted.remote import address_of, opened_remote
from meshseek.untrusted.tars import BLOCK, Member, ReadAt, reading

MARK = "members="
"""How the name begins; no folder of views is called so."""
_CHECK_BYTES = 4
_END = 0
_LAST, _LARGEST = 1 << 63, 1 << 32
"""Files end before, and no picture is so large."""

Place = tuple[int, int, int]
"""Of a member: where its header is, its size, and the header's check."""


class TarViews(NamedTuple):
    """The pictures of an asset in a tar, and their cameras, by the number of the view."""

    tar: Path
    pictures: Mapping[int, Place]
    cameras: Mapping[int, Place]

    @contextmanager
    def opened(self, root: Path | None) -> Iterator[ReadAt]:
        """Open the tar; gives what reads it.

        Args:
            root: Where the tar must really lie; None for its own folder.

        Raises:
            UnreadableAssetError: It lies elsewhere, or is no regular file, or its storage does not answer.
            OSError: It cannot be opened.
        """
        address = address_of(self.tar.name)
        if address is not None:
            with opened_remote(address) as remote:
                yield remote.read_at
            return
        with open_inside(self.tar, root or self.tar.parent) as file:
            yield reading(file)

    @property
    def is_remote(self) -> bool:
        """Whether the tar lies on other storage."""
        return address_of(self.tar.name) is not None

    @property
    def place(self) -> str:
        """Where the tar is, as the user knows it."""
        return address_of(self.tar.name) or str(self.tar)


def folder_in_tar(tar: Path, pictures: Mapping[int, Member], cameras: Mapping[int, Member]) -> Path:
    """The folder that stands for views in a tar."""
    data = bytearray()
    for members in (pictures, cameras):
        data.extend(_packed((number, members[number]) for number in sorted(members)))
        data.append(_END)
    return tar / (MARK + base64.urlsafe_b64encode(bytes(data)).decode().rstrip("="))


def views_in_tar(folder: Path) -> TarViews | None:
    """What a folder stands for; None where it is a folder.

    Raises:
        UnreadableAssetError: It was written by another program, or altered.
    """
    if not folder.name.startswith(MARK):
        return None
    text = folder.name.removeprefix(MARK)
    try:
        places = _unpacked(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        return TarViews(folder.parent, next(places), next(places))
    except (binascii.Error, ValueError, IndexError, StopIteration) as error:
        raise UnreadableAssetError("where its views are cannot be read; run 'meshseek update'") from error


def _packed(members: Iterable[tuple[int, Member]]) -> Iterator[int]:
    """Differences from the view and the member before, as most are small."""
    last, end = -1, 0
    for number, member in members:
        gap = member.header // BLOCK - end
        yield from _digits(number - last)
        yield from _digits(2 * gap if gap >= 0 else -2 * gap - 1)
        yield from _digits(member.size)
        yield from member.check.to_bytes(_CHECK_BYTES)
        last, end = number, _end(member.header, member.size)


def _unpacked(data: bytes) -> Iterator[dict[int, Place]]:
    at = 0
    while at < len(data):
        places: dict[int, Place] = {}
        last, end = -1, 0
        while data[at] != _END:
            step, at = _number(data, at)
            gap, at = _number(data, at)
            size, at = _number(data, at)
            check, at = int.from_bytes(data[at : at + _CHECK_BYTES]), at + _CHECK_BYTES
            header = BLOCK * (end + (-(gap + 1) // 2 if gap % 2 else gap // 2))
            if not (0 <= header < _LAST and size < _LARGEST):
                raise ValueError(header, size)
            last, end = last + step, _end(header, size)
            places[last] = header, size, check
        at += 1
        yield places


def _end(header: int, size: int) -> int:
    """The block after a member."""
    return header // BLOCK + 1 + -(-size // BLOCK)


def _digits(number: int) -> Iterator[int]:
    """A number in as few bytes as it needs, seven bits in each."""
    while number > 0x7F:  # noqa: PLR2004  # what fits
        yield number & 0x7F | 0x80
        number >>= 7
    yield number


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a byte, and where the next one does."""
    number = shift = 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return number | data[at] << shift, at + 1
