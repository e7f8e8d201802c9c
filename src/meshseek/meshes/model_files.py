"""The files that a model calls for by name: materials, textures, buffers."""

from __future__ import annotations

import contextlib
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from meshseek.errors import UnreadableAssetError
from meshseek.untrusted.archives import Archive
from meshseek.untrusted.files import read_inside

MOST_BYTES = 1 << 30
"""Of the file of a model, and of all those together that it calls for."""
LONGEST_NAME = 255
"""Characters of a path that a model calls for; no exporter writes a longer one."""
UNREADABLE = (
    ValueError,
    ArithmeticError,
    LookupError,
    OSError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
"""What parsers and archives raise on damaged input."""


@contextlib.contextmanager
def readable(what: str, cure: str = "export it again") -> Iterator[None]:
    """Tell what goes wrong in the block as one plain sentence; the rest of it is for the log.

    Args:
        what: The model, and what is done with it.
        cure: What helps where the damage has no sentence of its own.

    Raises:
        UnreadableAssetError: The model is damaged.
    """
    try:
        yield
    except UnreadableAssetError as error:
        raise UnreadableAssetError(f"{what}: {error}") from error
    except OSError as error:
        reason = error.strerror or "the disk does not answer"
        raise UnreadableAssetError(f"{what}: {reason}; check the file and its permissions") from error
    except UNREADABLE as error:
        raise UnreadableAssetError(f"{what}: it is damaged; {cure}") from error


class ModelFiles(Protocol):
    """Where a model's own files are."""

    def find(self, name: str) -> bytes | None:
        """Read a file by the name that the model calls it; None where there is none.

        Names are often written on another system: letter case, back slashes and lost folders are forgiven.
        """
        ...


class ZippedFiles:
    """The files below one folder of an open zip."""

    def __init__(self, archive: Archive, folder: str) -> None:
        self._archive = archive
        prefix = f"{folder}/" if folder else ""
        self._members = {name[len(prefix) :]: name for name in archive.members if name.startswith(prefix)}

    def find(self, name: str) -> bytes | None:
        """Read a member of the folder."""
        match = _match(name, self._members)
        return None if match is None else self._archive.read(self._members[match])


class FolderFiles:
    """The files around a model on disk; none outside the library's root is ever read, and not too much of all."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root.resolve()
        self._left = MOST_BYTES
        self._listed: dict[Path, dict[str, Path]] = {}

    def find(self, name: str) -> bytes | None:
        """Read a file near the model."""
        relative = _clean(name)
        if len(relative) > LONGEST_NAME or "\0" in relative:
            return None
        exact = (self._folder / relative).resolve()
        if not exact.is_relative_to(self._root):
            exact = self._folder / posixpath.basename(relative)
        for folder in dict.fromkeys((exact.parent, self._folder)):
            siblings = self._files_in(folder)
            match = _match(exact.name, siblings)
            if match is not None and siblings[match].resolve().is_relative_to(self._root):
                data = read_inside(siblings[match], self._root, self._left)
                self._left -= len(data)
                return data
        return None

    def _files_in(self, folder: Path) -> dict[str, Path]:
        """The files of a folder by name, listed once: a model may call for thousands."""
        if folder not in self._listed:
            files = {path.name: path for path in folder.iterdir() if path.is_file()} if folder.is_dir() else {}
            self._listed[folder] = files
        return self._listed[folder]


def _match(name: str, known: Iterable[str]) -> str | None:
    wanted = _clean(name)
    names = list(known)
    if wanted in names:
        return wanted
    folded = {posixpath.basename(candidate).casefold(): candidate for candidate in reversed(names)}
    folded |= {candidate.casefold(): candidate for candidate in reversed(names)}
    return folded.get(wanted.casefold()) or folded.get(posixpath.basename(wanted).casefold())


def _clean(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/"))
