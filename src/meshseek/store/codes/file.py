"""Edition 0 of a version's codes in a file that the processes of a machine share.

The parts stand one after the other, then what they are as sealed JSON, then its length and the mark of such files.
The codes of views are as large as all of the rest several times over; they are looked through after it was opened.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from meshseek.files import abandoned_drafts, whole_file
from meshseek.sealed import sealed, unsealed
from meshseek.store.codes.checksums import checksum
from meshseek.store.codes.parts import VIEW_CODES, with_empty

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARK: Final = b"meshseek codes 3"
TAIL: Final = 8 + len(MARK)
MOST_DESCRIBED: Final = 1 << 22
"""Bytes of the description: some thirty parts, and a checksum of each of their pieces."""
ALIGNED: Final = 64
"""Where parts begin; codes of views begin a page, since the system is told how they are read."""
PIECE: Final = 1 << 24
"""Bytes that have a checksum of their own, and are read at once."""
POPULATE_READ: Final = 22
"""Linux' ``MADV_POPULATE_READ``, which Python has no name for."""


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
        described: dict[str, dict[str, Any]] = {}
        for part, pieces in groupby(blocks, key=itemgetter(0)):
            file.write(bytes(-file.tell() % (mmap.PAGESIZE if part == VIEW_CODES else ALIGNED)))
            start, sums = file.tell(), []
            for piece in _pieces(content for _, content in pieces):
                file.write(piece)
                sums.append(checksum(piece))
            described[part] = {"start": start, "bytes": file.tell() - start, "sums": sums}
        description = sealed({"identity": identity, "parts": described})
        file.write(description + len(description).to_bytes(8, "little") + MARK)


class CodesFile:
    """A file of codes that is mapped into memory. Threads may share it.

    Args:
        path: The file.
        identity: Of the edition that is wanted.
        sizes: Bytes of each of its parts.

    Raises:
        OSError: It cannot be read; :class:`FileNotFoundError`, where it is not there.
        DamagedFileError: It is not that edition as it was written, by all of its parts but the codes of views.
    """

    def __init__(self, path: Path, identity: str, sizes: Mapping[str, int]) -> None:
        self.path = path
        with path.open("rb") as file:
            self._number = os.dup(file.fileno())  # for as long as it is mapped, though it may be removed
            weakref.finalize(self, os.close, self._number)
            described = _description(file, os.fstat(self._number).st_size)
        if described.get("identity") != identity:
            raise DamagedFileError("it holds other codes")
        parts = described.get("parts")
        if not isinstance(parts, dict) or {name: own["bytes"] for name, own in parts.items()} != dict(sizes):
            raise DamagedFileError("its parts are not those of the database")
        self._views = parts.pop(VIEW_CODES, None)
        self._mapped = mmap.mmap(self._number, 0, access=mmap.ACCESS_READ)
        for name, own in parts.items():
            for _ in self._checked(name, own, mapped=True):
                pass
        views = {VIEW_CODES: self._views} if self._views else {}
        if self._views and hasattr(self._mapped, "madvise"):
            # A search reads a few here and there: what stands behind each of them is of no use.
            self._mapped.madvise(mmap.MADV_RANDOM, self._views["start"], max(1, self._views["bytes"]))
        whole = np.frombuffer(self._mapped, dtype=np.uint8)
        self.parts = with_empty(
            {name: whole[own["start"] : own["start"] + own["bytes"]] for name, own in (parts | views).items()}
        )
        """By name."""

    def is_there(self) -> bool:
        """Whether its path still leads to it, that is, nobody has removed or replaced it since it was opened."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._number))
        except OSError:
            return False

    @property
    def view_bytes(self) -> int:
        """Of the codes of views."""
        return self._views["bytes"] if self._views else 0

    def check_views(self, *, mapped: bool) -> Iterator[int]:
        """Compare the codes of views with their checksums, piece by piece, which brings them into memory; bytes so far.

        Args:
            mapped: Whether they are to stay, and their pages are mapped.

        Raises:
            OSError: They cannot be read.
            DamagedFileError: They are not as they were written.
        """
        if self._views:
            yield from self._checked(VIEW_CODES, self._views, mapped=mapped)

    def fetch(self, row: int, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Let the system read some codes of views at the same time, where they are not in memory.

        Args:
            row: Bytes of a code.
            starts: Rows where pieces begin.
            ends: Rows where they end.
        """
        if self._views and hasattr(os, "posix_fadvise"):
            begins, lengths = self._views["start"] + row * starts, row * (ends - starts)
            for begin, length in zip(begins.tolist(), lengths.tolist(), strict=True):
                os.posix_fadvise(self._number, begin, length, os.POSIX_FADV_WILLNEED)

    def _populate(self, start: int, length: int) -> None:
        """Map pages that were just read: searches, which look at thousands of them, would do so one by one."""
        begin = start // mmap.PAGESIZE * mmap.PAGESIZE
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # before 5.14
                self._mapped.madvise(POPULATE_READ, begin, start + length - begin)

    def _checked(self, name: str, own: Mapping[str, Any], *, mapped: bool) -> Iterator[int]:
        buffer = bytearray(min(PIECE, own["bytes"]))
        for number, told in enumerate(own["sums"]):
            done = number * PIECE
            piece = memoryview(buffer)[: own["bytes"] - done]
            read = os.preadv(self._number, [piece], own["start"] + done)
            if read != len(piece) or checksum(piece) != told:
                raise DamagedFileError(f"the checksum of its part '{name}' differs")
            if mapped:  # a piece at a time, for the interpreter waits
                self._populate(own["start"] + done, read)
            yield done + read


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


def _description(file: BinaryIO, size: int) -> dict[str, Any]:
    if size < TAIL:
        raise DamagedFileError("it is cut")
    file.seek(size - TAIL)
    tail = file.read(TAIL)
    length = int.from_bytes(tail[:8], "little")
    if tail[8:] != MARK or length > min(MOST_DESCRIBED, size - TAIL):
        raise DamagedFileError("it is cut, or no file of codes")
    file.seek(size - TAIL - length)
    try:
        return unsealed(file.read(length))
    except ValueError as error:
        raise DamagedFileError(f"of its description, {error}") from error


def _pieces(contents: Iterable[bytes]) -> Iterator[memoryview]:
    """The same bytes in pieces of one length, but for the last one."""
    waiting = bytearray()
    for content in contents:
        waiting += content
        whole = len(waiting) // PIECE * PIECE
        for start in range(0, whole, PIECE):
            yield memoryview(bytes(waiting[start : start + PIECE]))
        del waiting[:whole]
    if waiting:
        yield memoryview(waiting)
