"""Files that somebody else put there: opened only where they belong, never waited for, read only so far.

A check of a path says nothing about the file that is opened after it, so the opened file is what is checked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from meshseek.errors import UnreadableAssetError

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_ENTER = os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)


def open_inside(path: Path, root: Path) -> BinaryIO:
    """Open a regular file that really lies in a folder.

    Links are followed where they stay in it. The folder itself may be behind links: it is what the user named.

    Args:
        path: The file, named below the root or not.
        root: The folder; or the file itself.

    Raises:
        UnreadableAssetError: It lies elsewhere, or is a pipe, a device or a socket.
        OSError: It is not there, or cannot be opened.
    """
    straight = _opened_straight(str(path), str(root))
    if straight is not None:
        return straight
    base, parts = _really(path, root)
    if not parts:
        base, parts = base.parent, (base.name,)
    return _opened_below(str(base), parts, _ENTER)


def _opened_straight(path: str, root: str) -> BinaryIO | None:
    """Open a file that is named below its root and reached by no link, as most are, without asking where links lead.

    None where it cannot be opened like that, for whatever reason: the other way tells it.
    """
    parts = path.removeprefix(f"{root}/").split("/")
    if not path.startswith(f"{root}/") or {"", ".", ".."} & {*parts}:
        return None
    with contextlib.suppress(OSError):
        return _opened_below(root, parts, _ENTER & ~os.O_NOFOLLOW)
    return None


def _opened_below(base: str, parts: Sequence[str], entering: int) -> BinaryIO:
    *folders, name = parts
    above = _enter(os.open(base, entering), folders)
    try:
        return _opened(name, above)
    finally:
        os.close(above)


@contextmanager
def folder_inside(folder: Path, root: Path) -> Iterator[Callable[[str], bool]]:
    """A folder that really lies in another, of which many files are asked about.

    Gives a function that says whether a regular file, named by its path in the folder, can be opened without following
    a link. Where it says no, :func:`open_inside` says why, or opens it through links that stay inside; it takes four
    times as long.

    Raises:
        UnreadableAssetError: It lies elsewhere.
        OSError: It cannot be opened.
    """
    base, parts = _really(folder, root)
    descriptor = _enter(os.open(base, _ENTER), parts)

    def is_file(path: str) -> bool:
        *folders, name = path.split("/")
        try:
            above = _enter(os.dup(descriptor), folders)
            try:
                _opened(name, above).close()
            finally:
                os.close(above)
        except (OSError, UnreadableAssetError):
            return False
        return True

    try:
        yield is_file
    finally:
        os.close(descriptor)


def _really(path: Path, root: Path) -> tuple[Path, tuple[str, ...]]:
    """Where a folder really is, and the names that lead from there to where a path really is.

    Raises:
        UnreadableAssetError: That is elsewhere.
    """
    base, real = Path(os.path.realpath(root)), Path(os.path.realpath(path))
    if not real.is_relative_to(base):
        raise UnreadableAssetError("it is a link that leads out of the library; copy the file itself there")
    return base, real.relative_to(base).parts


def _enter(above: int, folders: Sequence[str]) -> int:
    """Open a folder below another, which is closed, whatever happens; no link is followed.

    One that was put there a moment ago is not what was looked at.
    """
    for folder in folders:
        try:
            below = os.open(folder, _ENTER, dir_fd=above)
        finally:
            os.close(above)
        above = below
    return above


def open_regular(path: Path) -> BinaryIO:
    """Open a file that the user named, through any links.

    Raises:
        UnreadableAssetError: It is a pipe, a device or a socket.
        OSError: It is not there, or cannot be opened.
    """
    return open_inside(path, path)


def read_inside(path: Path, root: Path, most: int) -> bytes:
    """Read a file as :func:`open_inside` opens it, of at most so many bytes.

    Raises:
        UnreadableAssetError: It lies elsewhere, is no regular file, is too large, or changes meanwhile.
        OSError: It cannot be read.
    """
    with open_inside(path, root) as file:
        return read_whole(file, most)


def read_whole(file: BinaryIO, most: int) -> bytes:
    """Read an open file of at most so many bytes.

    Raises:
        UnreadableAssetError: It is larger, or changes meanwhile.
        OSError: It cannot be read.
    """
    size = checked_size(file, most)
    data = file.read(size + 1)
    if len(data) != size:
        raise UnreadableAssetError("it changed while it was read; import it again")
    return data


def checked_size(file: BinaryIO, most: int) -> int:
    """The size of an open file in bytes.

    Raises:
        UnreadableAssetError: It is larger than ``most``.
    """
    size = os.fstat(file.fileno()).st_size
    if size > most:
        raise UnreadableAssetError(f"it has {size / 1e6:,.0f} MB; reduce it to at most {most / 1e6:,.0f} MB")
    return size


def _opened(name: str, folder: int) -> BinaryIO:
    # Looked at before as well: to open a device may already do something.
    _check(os.stat(name, dir_fd=folder, follow_symlinks=False))
    descriptor = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=folder)
    try:
        _check(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check(facts: os.stat_result) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISLNK(facts.st_mode):  # in a circle, or there only since a moment ago
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not stat.S_ISREG(facts.st_mode):
        raise UnreadableAssetError("it is a pipe, a device or the like; copy a file there")
