"""Which Meshseek may open a workspace: the number of its format, and whether a restore into it has ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from meshseek import __version__
from meshseek.errors import WorkspaceError
from meshseek.files import write_whole

FORMAT_FILE = "format.json"
RESTORING_FILE = "restoring.json"
"""Is there from the beginning of a restore until its end."""
CURRENT_FORMAT = 1
"""Goes up with every change of a workspace that an earlier Meshseek would read wrongly. Without a number it is 1."""


def expect_usable(folder: Path) -> None:
    """Refuse a workspace that this code would read only in half.

    Raises:
        WorkspaceError: A newer Meshseek wrote it, or a restore into it was interrupted.
    """
    number, writer = workspace_format(folder)
    if number > CURRENT_FORMAT:
        raise WorkspaceError(
            f"{folder} was written by a newer Meshseek ({writer}, format {number}; this is {__version__}, "
            f"format {CURRENT_FORMAT}): upgrade this one, or restore a backup that it made"
        )
    restoring = _read(folder / RESTORING_FILE)
    if restoring is not None:
        raise WorkspaceError(
            f"the restore into {folder} has not ended; run 'meshseek restore {restoring.get('backup', 'DIR')}' again "
            "to go on with it, or remove the folder"
        )


def workspace_format(folder: Path) -> tuple[int, str]:
    """The number of a workspace's format, and the version that wrote it; 1 and nothing where it does not say.

    Raises:
        WorkspaceError: What it says cannot be read.
    """
    written = _read(folder / FORMAT_FILE)
    if written is None:
        return 1, ""
    number = written.get("format")
    if not isinstance(number, int):
        raise WorkspaceError(f"{folder / FORMAT_FILE} is damaged; restore it from a backup, or remove it")
    return number, str(written.get("meshseek", "unknown"))


def stamp(folder: Path) -> None:
    """Say in a workspace that this code wrote it, where it does not yet say so.

    Raises:
        WorkspaceError: A newer Meshseek wrote it meanwhile, or a restore into it has begun.
        OSError: It cannot be written.
    """
    expect_usable(folder)
    path = folder / FORMAT_FILE
    wanted = {"format": CURRENT_FORMAT, "meshseek": __version__}
    if _read(path) != wanted:
        write_whole(path, json.dumps(wanted).encode())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        value = {}
    return value if isinstance(value, dict) else {}
