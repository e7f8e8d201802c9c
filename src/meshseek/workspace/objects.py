"""Contents named by their SHA-256: each is kept once, and its name says whether it is still whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from meshseek.errors import BackupError
from meshseek.workspace.drafts import Drafts

OBJECTS, DRAFTS = "objects", "drafts"
DIGEST = re.compile("[0-9a-f]{64}")
PIECE = 1 << 20
"""Bytes that are read at a time."""


class Kept(NamedTuple):
    """A content that is kept."""

    digest: str
    bytes: int
    is_new: bool
    """Whether it was not there before."""


class Objects:
    """The contents in a folder of backups.

    Args:
        folder: That of the backups.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / OBJECTS
        self._drafts_folder = folder / DRAFTS

    def adding(self) -> Drafts:
        """Contents on their way; in a ``with``, they are there when it has ended.

        Raises:
            OSError: The folder cannot be written.
        """
        return Drafts(self._drafts_folder)

    def path(self, digest: str) -> Path:
        """Where a content is.

        Raises:
            BackupError: That is no digest; the name may come from a damaged list.
        """
        if DIGEST.fullmatch(digest) is None:
            raise BackupError(
                f"{digest[:80]!r} is no digest; the backup is damaged, name another snapshot with --snapshot"
            )
        return self._folder / digest[:2] / digest

    def size(self, digest: str) -> int:
        """How large a content is; 0 where it is not there."""
        try:
            return self.path(digest).stat().st_size
        except OSError:
            return 0

    def has(self, digest: str, size: int | None = None) -> bool:
        """Whether a content is there, of that size where one is given."""
        try:
            found = self.path(digest).stat().st_size
        except OSError:
            return False
        return size is None or found == size

    def is_whole(self, digest: str) -> bool:
        """Whether a content is there and is what its name says; it is read."""
        try:
            return _digest_of(self.path(digest)) == digest
        except OSError:
            return False

    def add(self, pieces: Iterable[bytes | memoryview], drafts: Drafts, *, verify: bool = False) -> Kept:
        """Keep a content that comes in pieces.

        Args:
            pieces: Of it; they are not all held in memory.
            drafts: From :meth:`adding`.
            verify: Read what is there of that name, and replace it if it is not whole.

        Raises:
            OSError: The disk refuses.
        """
        draft = drafts.new()
        hashed, size = hashlib.sha256(), 0
        try:
            with draft.open("xb") as file:
                for piece in pieces:
                    hashed.update(piece)
                    size += len(piece)
                    file.write(piece)
            digest = hashed.hexdigest()
            target = self.path(digest)
            known = target in drafts or (self.has(digest, size) and not (verify and not self.is_whole(digest)))
            if not known:
                drafts.add(draft, target)
                draft = None  # type: ignore[assignment]  # it has gone on
        finally:
            if draft is not None:
                draft.unlink(missing_ok=True)
        return Kept(digest, size, not known)

    def read(self, digest: str) -> Iterator[bytes]:
        """The pieces of a content; an error comes at the end where they were not what the name says.

        Raises:
            BackupError: It is missing or damaged.
        """
        hashed = hashlib.sha256()
        try:
            with self.path(digest).open("rb") as file:
                while piece := file.read(PIECE):
                    hashed.update(piece)
                    yield piece
        except OSError as error:
            raise self.damaged(digest, error.strerror or "cannot be read") from error
        if hashed.hexdigest() != digest:
            raise self.damaged(digest, "its content is not what was written")

    def damaged(self, digest: str, reason: str) -> BackupError:
        """What is wrong with a content, and what to do."""
        return BackupError(
            f"{self.path(digest)} is damaged ({reason}); run 'meshseek backup {self._folder.parent} --verify' where "
            "the workspace is, or name another snapshot with --snapshot"
        )

    def digests(self) -> Iterator[str]:
        """The names of all contents."""
        return (path.name for path in self._folder.glob("??/*") if DIGEST.fullmatch(path.name))

    def remove_others(self, needed: Iterable[str]) -> tuple[int, int]:
        """Remove the contents that are not needed; returns how many there were and their bytes.

        Of each name, eight bytes are held in memory: where two begin alike, one may stay that is not needed.

        Raises:
            OSError: The folder cannot be written.
        """
        known = np.unique(np.fromiter((int(digest[:16], 16) for digest in needed), dtype=np.uint64))
        count = size = 0
        for digest in self.digests():
            path, number = self.path(digest), np.uint64(int(digest[:16], 16))
            place = int(np.searchsorted(known, number))
            if place == len(known) or known[place] != number:
                size += path.stat().st_size
                count += 1
                path.unlink()
        return count, size


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
