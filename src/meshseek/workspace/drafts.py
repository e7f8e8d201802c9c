"""Many files that appear whole or not at all, forced onto the disk together, as one by one takes far longer."""

from __future__ import annotations

import ctypes
import os
import secrets
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from meshseek.files import make_folder, sync

FEW = 64
"""So many are forced onto the disk one by one; of more, the whole file system is."""
MOST_FILES, MOST_BYTES = 2000, 256 << 20
"""What waits at most, and so is done again after a kill."""


class Drafts:
    """Finished files that wait for their names.

    As a context, the last ones get theirs at its end; where it ends with an error, they are removed.

    Args:
        folder: Where they wait, on the file system of the targets; made where missing, and what an earlier process left
            in it is removed.

    Raises:
        OSError: The folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[Path, Path] = {}
        self._bytes = 0
        make_folder(folder)
        for leftover in folder.iterdir():
            leftover.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
        else:
            for draft in self._waiting.values():
                draft.unlink(missing_ok=True)
        self._waiting.clear()

    def __contains__(self, target: Path) -> bool:
        return target in self._waiting

    def new(self) -> Path:
        """A path for a draft."""
        return self._folder / secrets.token_hex(8)

    def add(self, draft: Path, target: Path) -> None:
        """Let a finished draft have its name soon; its bytes need not be on the disk yet.

        Raises:
            OSError: The disk refuses.
        """
        self._bytes += draft.stat().st_size
        self._waiting[target] = draft
        if len(self._waiting) >= MOST_FILES or self._bytes >= MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Force all that waits onto the disk, then name it.

        Raises:
            OSError: The disk refuses.
        """
        if not self._waiting:
            return
        if len(self._waiting) > FEW:
            _sync_file_system(self._folder)
        else:
            for draft in self._waiting.values():
                sync(draft)
        folders = {target.parent for target in self._waiting}
        for folder in folders:
            make_folder(folder)
        for target, draft in self._waiting.items():
            draft.replace(target)
        self._waiting.clear()
        self._bytes = 0
        if len(folders) > FEW:
            _sync_file_system(self._folder)
        else:
            for folder in folders:
                sync(folder)


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _sync_file_system(folder: Path) -> None:
    """Force a whole file system onto its disk.

    Raises:
        OSError: The disk refuses.
    """
    if _LIBC is None:
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
