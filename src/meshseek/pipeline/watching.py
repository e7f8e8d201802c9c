"""Watching libraries for changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from watchfiles import watch

from meshseek.errors import WorkspaceError
from meshseek.reporting import Reporter
from meshseek.workspace.workspace import Workspace

QUIET_MS = 1500
"""Changes that follow one another so quickly are one: copying a folder is many."""
LONGEST_MS = 20_000
"""So long at most, where the changes do not end."""


def changes(workspace: Workspace, reporter: Reporter) -> Iterator[None]:
    """Give a sign after each burst of changes in the libraries' files, until interrupted.

    Raises:
        WorkspaceError: There is nothing to watch.
    """
    named = [path for library in workspace.libraries.all() for path in (library.path, library.captions, library.id_map)]
    paths = [path for path in map(Path, filter(None, named)) if path.exists()]
    if not paths:
        raise WorkspaceError("no library is there to be watched; run 'meshseek import DATASET PATH' first")
    reporter.say(f"watching {', '.join(map(str, paths))}; stop with Ctrl-C")
    for _ in watch(*paths, step=QUIET_MS, debounce=LONGEST_MS, raise_interrupt=False):
        yield
