"""Watching libraries for changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from watchfiles import Change, watch

from meshseek.errors import WorkspaceError
from meshseek.reporting import Reporter
from meshseek.workspace.workspace import Workspace

QUIET_MS, LONGEST_MS = 1500, 20_000
"""Changes that follow one another so quickly are one, as copying a folder is many; but none waits longer than that."""
LOOK_MS = 2000
"""How often single files, and the list of libraries, are looked at."""


def changes(workspace: Workspace, reporter: Reporter) -> Iterator[None]:
    """Give a sign after each burst of changes in the libraries' files, until interrupted.

    The first sign comes at once: what changed before the watching began would be missed.

    Raises:
        WorkspaceError: There is nothing to watch, or the system cannot watch so much.
    """
    folders = _paths(workspace, "path")
    if not folders:
        raise WorkspaceError("no library is there to be watched; run 'meshseek import DATASET PATH' first")
    while True:
        reporter.say(f"watching {', '.join(map(str, folders))}; stop with Ctrl-C")
        yield from _changes_in(folders, workspace)
        if _paths(workspace, "path") == folders:  # it was interrupted
            return
        while not (folders := _paths(workspace, "path")):  # gone, perhaps for a while
            time.sleep(LOOK_MS / 1000)


def _changes_in(folders: list[Path], workspace: Workspace) -> Iterator[None]:
    """Signs until the libraries are others than these folders, or until it is interrupted."""

    def is_of_a_library(_: Change, path: str) -> bool:
        return not Path(path).is_relative_to(workspace.folder)

    known = None
    try:
        for changed in watch(
            *folders,
            watch_filter=is_of_a_library,
            step=QUIET_MS,
            debounce=LONGEST_MS,
            rust_timeout=LOOK_MS,
            raise_interrupt=False,
            yield_on_timeout=True,
        ):
            single = _single_files(workspace)
            if changed or single != known:
                known = single
                yield
            if _paths(workspace, "path") != folders:
                return
    except OSError as error:
        raise WorkspaceError(
            f"the libraries cannot be watched ({error.strerror or error}); "
            "allow more watches (on Linux fs.inotify.max_user_watches), or run 'meshseek update' from time to time"
        ) from error


def _paths(workspace: Workspace, name: str) -> list[Path]:
    """The paths of one kind that libraries have, as far as they are there."""
    named = (getattr(library, name) for library in workspace.libraries.all())
    return [path for path in (Path(path) for path in named if path is not None) if path.exists()]


def _single_files(workspace: Workspace) -> dict[Path, tuple[int, int]]:
    """Time and size of the captions files and id maps: programs replace such a file, and no watch follows it then."""
    known = {}
    for path in (*_paths(workspace, "captions"), *_paths(workspace, "id_map")):
        with suppress(OSError):  # it is being replaced
            known[path] = (path.stat().st_mtime_ns, path.stat().st_size)
    return known
