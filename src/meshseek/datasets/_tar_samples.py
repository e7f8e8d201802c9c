"""The files of assets in a tar, of which those of one asset follow each other."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from meshseek.untrusted.files import open_inside
from meshseek.untrusted.remote import address_of, in_blocks, opened_remote
from meshseek.untrusted.tars import BLOCK, Member, ReadAt, Tar, reading

MOST_PARTS = 3000
"""Files of one asset."""
_PICTURES = frozenset({"png", "jpg", "jpeg", "webp"})
_NAME = re.compile(r"((?:[^/]+/)*[^./]+)\.([^/]+)")
_NUMBERED = re.compile(r"(\d{1,9})\.([a-z]+)", re.ASCII)


@dataclass(slots=True)
class Sample:
    """The files of one asset that say something, by what they are."""

    key: str
    begins: int
    ends: int = 0
    count: int = 0
    pictures: dict[int, Member] = field(default_factory=dict)
    cameras: dict[int, Member] = field(default_factory=dict)
    others: dict[str, Member] = field(default_factory=dict)
    """By their suffix: ``txt``, ``json`` and ``glb``."""
    repeated: str = ""
    """A file that is there twice."""
    passed_over: int = 0
    headers_digest: Any = field(default_factory=hashlib.sha256)

    def add(self, member: Member, suffix: str) -> None:
        """Take the next file; of an asset with too many, only their number is kept."""
        self.count += 1
        self.ends = member.header + BLOCK + -(-member.size // BLOCK) * BLOCK
        at = member.header - self.begins
        self.headers_digest.update(f"{suffix}\n{member.size}\n{member.time}\n{at}\n{member.check}\n".encode())
        known, key = self._place(suffix.lower())
        if known is None:
            self.passed_over += 1
        elif key in known:
            self.repeated = self.repeated or member.name
        elif self.count <= MOST_PARTS:
            known[key] = member

    def _place(self, suffix: str) -> tuple[dict[Any, Member] | None, int | str]:
        """Where a file is kept, and by what; nowhere where it says nothing."""
        numbered = _NUMBERED.fullmatch(suffix)
        number, kind = (int(numbered[1]), numbered[2]) if numbered else (0, suffix)
        if kind in _PICTURES:
            return self.pictures, number
        if numbered:
            return (self.cameras if kind == "json" else None), number
        return (self.others if kind in {"txt", "json", "glb"} else None), kind

    @property
    def says_nothing(self) -> bool:
        """Whether none of its files belongs to an asset."""
        return not (self.pictures or self.others)


class OpenTar(NamedTuple):
    """A tar that is there."""

    read_at: ReadAt
    size: int
    changed: int
    """When, in nanoseconds."""
    noted: int = 0
    """When the system noted a change, in nanoseconds, which no program sets; 0 where it is not known."""

    def samples(self, begins: int = 0, ends: int | None = None) -> Iterator[Sample]:
        """The assets in it, or in a part of it, without what is passed over."""
        return samples(Tar(self.read_at, self.size), begins, ends)


@contextmanager
def opened_tar(root: Path, name: str, block: int) -> Iterator[OpenTar]:
    """Open a tar of a library.

    Args:
        root: The library.
        name: Of the tar in it, or one that stands for an address.
        block: So many bytes are read at a time from an address.

    Raises:
        UnreadableAssetError: It lies elsewhere, or is no regular file, or its storage does not answer.
        OSError: It cannot be read.
    """
    address = address_of(name)
    if address is not None:
        with opened_remote(address) as remote:
            yield OpenTar(in_blocks(remote.read_at, block), remote.size, remote.changed)
        return
    with open_inside(root / name, root) as file:
        facts = os.fstat(file.fileno())
        yield OpenTar(reading(file), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def samples(tar: Tar, begins: int = 0, ends: int | None = None) -> Iterator[Sample]:
    """The assets of a tar, or of a part of it; where it is damaged, without the last one, which may lack something."""
    parts: Sample | None = None
    for member in tar.members(begins, ends):
        named = _NAME.fullmatch(member.name)
        if named is None:
            tar.passed_over["without an id and a suffix in their names"] += 1
            continue
        if parts is None or parts.key != named[1]:
            if parts is not None:
                yield parts
            parts = Sample(named[1], member.begins)
        parts.add(member, named[2])
    if parts is not None:
        yield parts
