"""Disks that fill and folders that turn read-only: mounts of our own, which vanish with the last of our processes."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_NAMES, _READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE, _DETACH = 0x20000, 1, 32, 4096, 16384, 1 << 18, 2


def _mount(source: str, target: Path | str, kind: str, flags: int, options: str = "") -> None:
    if _LIBC.mount(source.encode(), str(target).encode(), kind.encode(), flags, options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def with_mounts_of_our_own() -> bool:
    """Let this process and its children mount what no other process sees; whether they may."""
    if os.geteuid() != 0 or _LIBC.unshare(_NEW_NAMES) != 0:
        return False
    try:
        _mount("none", "/", "", _RECURSIVE | _PRIVATE)
    except OSError:
        return False
    return True


def mount_disk(folder: Path, megabytes: int) -> None:
    """Put a disk of this size, in memory, at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("chaos", folder, "tmpfs", 0, f"size={megabytes}m,mode=0755")


def resize_disk(folder: Path, pages: int) -> None:
    """Give a disk this many pages of 4 KiB."""
    _mount("chaos", folder, "tmpfs", _REMOUNT, f"size={pages * 4}k")


def leave(folder: Path, pages: int) -> None:
    """Let a disk have little room, as far as its files, which others may write meanwhile, allow."""
    for more in range(0, 4096, 64):
        with suppress(OSError):
            resize_disk(folder, used_pages(folder) + pages + more)
            return


def used_pages(folder: Path) -> int:
    """How many pages the files of a disk take."""
    state = os.statvfs(folder)
    return (state.f_blocks - state.f_bfree) * state.f_frsize // 4096


def make_read_only(folder: Path) -> None:
    """Let nobody who opens a path below the folder from now on write there."""
    _mount(str(folder), folder, "", _BIND)
    _mount(str(folder), folder, "", _BIND | _REMOUNT | _READ_ONLY)


def make_writable(folder: Path) -> None:
    """Undo :func:`make_read_only`."""
    while _LIBC.umount2(str(folder).encode(), _DETACH) == 0:
        pass
