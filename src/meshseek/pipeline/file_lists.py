"""Lists of files in snapshots: cut so that most stay the same, and read beside what there is now."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from meshseek.workspace.entries import Entry

LIST_EVERY = 4096
"""A list ends about so often, always after the same files: lists that are as before are kept once."""
LONGEST_LIST = 8 * LIST_EVERY


class Known:
    """Entries in the order of their keys, asked for in that order."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self._next = next(entries, None)

    def at(self, path: str) -> Entry | None:
        """The entry of a path."""
        key = tuple(path.split("/"))
        while self._next is not None and self._next.key < key:
            self._next = next(self._entries, None)
        return self._next if self._next is not None and self._next.path == path else None


def in_lists(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The same, cut after entries whose paths hash to a certain number."""
    part: list[Entry] = []
    for entry in entries:
        part.append(entry)
        ends = zlib.crc32(entry.path.encode(errors="surrogateescape")) % LIST_EVERY == 0
        if ends or len(part) >= LONGEST_LIST:
            yield part
            part = []
    if part:
        yield part
