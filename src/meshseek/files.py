"""Files that appear whole or not at all, even if the machine stops meanwhile, and locks between processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from meshseek.errors import MeshseekError, WorkspaceError

DRAFT = re.compile(r"\.[0-9a-f]{16}\.tmp")
COPIED_BYTES = 1 << 30
"""Asked for at a time."""


@contextlib.contextmanager
def whole_file(target: Path, mode: int = 0o666) -> Iterator[Path]:
    """Give a new path beside the target; what is put there takes the target's place when the block ends well.

    Readers see the old content or the new one. When the block has ended, the new one is on the disk.

    Args:
        target: The file.
        mode: Who may open it, where it is written to the path as it is given.

    Raises:
        OSError: It cannot be written.
    """
    draft = target.with_name(f".{secrets.token_hex(8)}.tmp")
    with _in_use(draft, mode):
        try:
            yield draft
            move_whole(draft, target)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _in_use(draft: Path, mode: int) -> Iterator[None]:
    """Hold a lock on a draft, which the kernel drops when this process ends, however it ends."""
    lock = FileLock(draft, mode)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            lock.take()
        yield
    finally:
        lock.abandon()


def abandoned_drafts(folder: Path, *, deep: bool = True) -> Iterator[Path]:
    """The drafts of :func:`whole_file` in a folder, and if ``deep`` in those below it, whose processes were killed."""
    for path in folder.rglob(".*.tmp") if deep else folder.glob(".*.tmp"):
        if DRAFT.fullmatch(path.name) is None or not path.is_file():
            continue
        with contextlib.suppress(OSError):  # it has gone meanwhile, or cannot be told
            lock = FileLock(path)
            try:
                if lock.take():
                    yield path
            finally:
                lock.abandon()


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file by :func:`whole_file`.

    Raises:
        OSError: It cannot be written.
    """
    with whole_file(path) as draft:
        draft.write_bytes(content)


def copy_whole(source: BinaryIO, target: Path) -> None:
    """Copy an open file, without taking room on file systems that can share it.

    Never a second name for the same file: programs that write a file in place would change the copy as well.

    Raises:
        OSError: It cannot be read, or not be written.
    """
    left = os.fstat(source.fileno()).st_size  # no more, though it may grow meanwhile
    with whole_file(target) as draft, draft.open("wb") as writer:
        try:
            while left and (copied := os.copy_file_range(source.fileno(), writer.fileno(), min(left, COPIED_BYTES))):
                left -= copied
        except (OSError, AttributeError):  # not on this system, or not between these file systems
            pass
        while left and (part := source.read(min(left, 1 << 20))):
            writer.write(part)
            left -= len(part)


def move_whole(draft: Path, target: Path) -> None:
    """Rename a finished file, or a folder of files, so that its name never leads to less than its content.

    A disk may keep the new name before the content it stands for, so the content is forced onto it first.

    Raises:
        OSError: It cannot be moved.
    """
    sync(draft)
    for folder, _, names in os.walk(draft):
        for file in (Path(folder, name) for name in names):
            if not file.is_symlink():
                sync(file)
        sync(Path(folder))
    draft.replace(target)
    sync(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where missing, and keep their names on the disk.

    Raises:
        OSError: It cannot be made.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def disk_error(error: OSError, place: Path) -> WorkspaceError:
    """Say in one line why a file could not be written, and what to do."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return WorkspaceError(f"the disk that holds {place} is full; free some space and run the same command again")
    return WorkspaceError(f"cannot write to {place}: {error.strerror or error}; check the folder and its permissions")


class FileLock:
    """A lock on a file that stays; the kernel drops it when the last process that holds it ends, however it ends.

    Args:
        path: The file, made where missing.
        mode: Who may open the file, and so hold the lock, where it is made.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path, mode: int = 0o666) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        self._close = weakref.finalize(self, os.close, self.descriptor)

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock unless others hold it in a way that forbids it.

        Raises:
            OSError: The file system has no locks.
        """
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait(self, *, shared: bool = False) -> None:
        """Take the lock as soon as the others let it go.

        Raises:
            OSError: The file system has no locks.
        """
        fcntl.flock(self.descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def names_its_file(self) -> bool:
        """Whether the path still leads to the locked file, that is, nobody removed or replaced the folder."""
        try:
            return os.path.samestat(self.path.lstat(), os.fstat(self.descriptor))
        except OSError:
            return False

    def unlock(self) -> None:
        """Let go, for the processes that inherited this lock as well, but stay ready to take it again."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def release(self) -> None:
        """Let go for good, for the processes that inherited this lock as well."""
        self.unlock()
        self._close()

    def abandon(self) -> None:
        """Let go for this process only."""
        self._close()


@contextlib.contextmanager
def locked(path: Path, busy: MeshseekError) -> Iterator[None]:
    """Keep other processes out of what a lock file stands for.

    Args:
        path: The file; it and its folder are made where missing.
        busy: What to raise where another process holds the lock.

    Raises:
        MeshseekError: ``busy``; or a :class:`WorkspaceError`, where the file cannot be made or locked.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        taken = lock.take()
    except OSError as error:
        raise disk_error(error, path.parent) from error
    if not taken:
        lock.abandon()
        raise busy
    try:
        yield
    finally:
        lock.release()


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, onto the disk.

    Raises:
        OSError: It cannot be read, or the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot do it for folders; theirs are as safe as they can be.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)
