"""The file of a version's codes among those of its folder: opened, made where it is missing, and removed in the end."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from meshseek.deadlines import check_deadline
from meshseek.files import FileLock, make_folder
from meshseek.store.codes.file import CodesFile, DamagedFileError, remove_others, write_codes

log = logging.getLogger(__name__)

COMING = ".coming"
"""Ends the name of the file of a version that is not live yet."""
WRITING_SECONDS = 120.0
"""How long a process waits for another that writes the file; then it writes one itself, and the last one's stays."""
POLL_SECONDS = 0.1
SPARE = 1 << 30
"""Bytes that stay free on the disk, or as many as the file has, if these are fewer."""


class SharedFile:
    """Opens the file of the codes that a process uses. Used by one thread at a time.

    Args:
        folder: Of the files.
        prefix: What their names begin with.
        is_live: Whether the version is live; else the file has a name that no search takes away, until it goes live.
    """

    def __init__(self, folder: Path, prefix: str, *, is_live: bool = True) -> None:
        self.is_live = is_live
        self._folder = folder
        self._prefix = prefix
        self._coming: Path | None = None
        self._damaged: CodesFile | None = None
        """Where it could not be removed: it is not opened again."""

    def open(
        self, identity: str, sizes: Mapping[str, int], blocks: Callable[[], Iterable[tuple[str, bytes]]]
    ) -> CodesFile | None:
        """The file, made where it is not there; None where that cannot be.

        Args:
            identity: Of the edition that is wanted.
            sizes: Bytes of each of its parts.
            blocks: Gives it as :func:`write_codes` takes it.
        """
        path = self._folder / f"{self._prefix}-{identity}.codes"
        if self.is_live:
            _take(path)  # whoever published it may not have come so far yet
        else:
            path = self._coming = path.with_suffix(COMING)
        opened = self._opened(path, identity, sizes)
        if opened is None:
            try:
                make_folder(self._folder)
                with _alone(self._folder / f".{self._prefix}.lock"):
                    opened = self._opened(path, identity, sizes)  # another process may have made it meanwhile
                    if opened is None:
                        path.unlink(missing_ok=True)
                        _expect_room(self._folder, sum(sizes.values()))
                        write_codes(path, identity, blocks())
            except OSError as error:
                why = error.strerror or error
                log.warning(
                    "codes are kept in the memory of this process alone, for %s cannot be written: %s", path, why
                )
                return None
            opened = opened or self._opened(path, identity, sizes)
        if opened is not None and self.is_live:  # else somebody damaged it just now, or the disk does
            remove_others(self._folder, self._prefix, path)
        return opened

    def damaged(self, file: CodesFile) -> None:
        """Remove a file that is damaged, unless another process has done so and, maybe, made it again."""
        if file.is_there():
            self._damaged = file
            with contextlib.suppress(OSError):
                file.path.unlink()
                self._damaged = None

    def go_live(self) -> None:
        """Give the file the name that searches look for, and remove those of former versions."""
        if self._coming:
            path = self._coming.with_suffix(".codes")
            _take(path)
            remove_others(self._folder, self._prefix, path)

    def close(self) -> None:
        """Remove the files of versions that did not go live, where this one was to; nobody else publishes meanwhile."""
        if not self.is_live:
            for path in self._folder.glob(f"{self._prefix}-*{COMING}"):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def _opened(self, path: Path, identity: str, sizes: Mapping[str, int]) -> CodesFile | None:
        damaged, self._damaged = self._damaged, None
        if damaged and damaged.path == path and damaged.is_there():
            self._damaged = damaged
            return None
        try:
            return CodesFile(path, identity, sizes)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, DamagedFileError) as error:
            log.warning("%s is no file of the codes that are published (%s): it is made again", path, error)
            return None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process after the other write; but none waits for long, nor where the file system has no locks.

    Raises:
        TooSlowError: Nobody waits for the search any longer.
    """
    with contextlib.ExitStack() as leaving:
        with contextlib.suppress(OSError):
            lock = FileLock(path)
            leaving.callback(lock.abandon)
            ends = time.monotonic() + WRITING_SECONDS
            while not lock.take() and time.monotonic() < ends:
                check_deadline()
                time.sleep(POLL_SECONDS)
        yield


def _expect_room(folder: Path, size: int) -> None:
    """See that a file leaves some room on its disk, which often is the database's as well.

    Raises:
        OSError: It does not.
    """
    free = shutil.disk_usage(folder).free
    wanted = size + min(size, SPARE)
    if free < wanted:
        needed, there = ((count / 1e9) for count in (wanted, free))
        raise OSError(errno.ENOSPC, f"it needs {needed:.1f} GB free, and {there:.1f} are; free some space")


def _take(path: Path) -> None:
    """Give the file of a version that is live its name, if it has not got it, and make it the newest one."""
    coming = path.with_suffix(COMING)
    with contextlib.suppress(OSError):
        os.utime(coming)
        coming.replace(path)
