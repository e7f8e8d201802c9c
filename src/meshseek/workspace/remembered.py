"""How stages were last run in a workspace, so that ``meshseek update`` runs them the same way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshseek.errors import WorkspaceError
from meshseek.files import disk_error, make_folder, write_whole
from meshseek.sealed import sealed, unsealed

OF = "remembered of"
"""Says whose values they are, so that files are not mistaken for each other."""


class Remembered:
    """JSON values by stage and name, each in a file of its own: two stages may write at once.

    Args:
        folder: Holds the files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, stage: str, name: str = "") -> dict[str, Any]:
        """What was kept; empty where nothing was.

        Raises:
            WorkspaceError: The file is damaged.
        """
        path = self._path(stage, name)
        try:
            kept = _read(path)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise WorkspaceError(f"{path} is damaged; remove it, and name the options of '{stage}' again") from error
        return kept

    def damaged(self) -> list[Path]:
        """The files that cannot be read, or were altered."""
        return [path for path in sorted(self.folder.glob("*.json")) if not _is_whole(path)]

    def keep(self, stage: str, values: Mapping[str, Any], name: str = "") -> None:
        """Keep values in place of the earlier ones.

        Raises:
            WorkspaceError: The workspace cannot be written.
        """
        try:
            make_folder(self.folder)
            path = self._path(stage, name)
            write_whole(path, sealed({**values, OF: path.stem}))
        except OSError as error:
            raise disk_error(error, self.folder) from error

    def _path(self, stage: str, name: str) -> Path:
        return self.folder / f"{stage}-{name}.json".replace("-.json", ".json")


def _read(path: Path) -> dict[str, Any]:
    kept = unsealed(path.read_bytes())
    if kept.pop(OF, path.stem) != path.stem:
        raise ValueError("it belongs to something else")
    return kept


def _is_whole(path: Path) -> bool:
    try:
        _read(path)
    except (OSError, ValueError):
        return False
    return True
