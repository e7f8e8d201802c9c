"""Files as snapshots list them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import NamedTuple

from meshseek.workspace.format import RESTORING_FILE

LIBRARIES = "libraries"
_LATEST = 1 << 63
LEFT_OUT = {"database", "cache", RESTORING_FILE, LIBRARIES}
"""The database server's files, which are no backup while it runs; what is made again by itself; what is read first."""


class Entry(NamedTuple):
    """A file in a snapshot."""

    path: str
    """Relative to the workspace, with slashes."""
    bytes: int
    mtime: int
    """In nanoseconds; with size and inode it tells whether a file is still the same."""
    inode: int
    mode: int
    digest: str

    @property
    def key(self) -> tuple[str, ...]:
        """By which entries are ordered."""
        return tuple(self.path.split("/"))

    def is_same(self, found: os.stat_result) -> bool:
        """Whether a file is as it was."""
        return (self.bytes, self.mtime, self.inode) == (found.st_size, found.st_mtime_ns, found.st_ino)


def to_lines(entries: Iterable[Entry]) -> bytes:
    """Entries as lines of JSON; names that are no text survive it."""
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def from_lines(content: bytes) -> list[Entry]:
    """What :func:`to_lines` wrote.

    Raises:
        ValueError: It did not.
    """
    return [_entry(json.loads(line)) for line in content.splitlines()]


def _entry(values: object) -> Entry:
    if not (isinstance(values, list) and [type(value) for value in values] == [str, int, int, int, int, str]):
        raise ValueError("no entry of a file")
    entry = Entry(*values)
    if {"", ".", ".."} & {*entry.key} or "\0" in entry.path or entry.key[0] in LEFT_OUT - {LIBRARIES}:
        raise ValueError(f"{entry.path!r} is no file of a backup")
    if not (entry.bytes >= 0 and entry.mode >= 0 and abs(entry.mtime) < _LATEST):
        raise ValueError(f"{entry.path!r} has an impossible size, time or mode")
    return entry
