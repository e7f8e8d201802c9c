"""How stages were last run in a workspace, so that ``meshseek update`` runs them the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshseek.errors import WorkspaceError
from meshseek.files import disk_error, write_whole


class Remembered:
    """JSON values by stage and name.

    Args:
        path: The file that keeps them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, stage: str, name: str = "") -> dict[str, Any]:
        """What was kept; empty where nothing was.

        Raises:
            WorkspaceError: The file is damaged.
        """
        value: dict[str, Any] = self._all().get(stage, {}).get(name, {})
        return value

    def keep(self, stage: str, values: Mapping[str, Any], name: str = "") -> None:
        """Keep values in place of the earlier ones.

        Raises:
            WorkspaceError: The workspace cannot be written.
        """
        kept = self._all()
        kept[stage] = {**kept.get(stage, {}), name: dict(values)}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(kept, ensure_ascii=False, indent=1).encode())
        except OSError as error:
            raise disk_error(error, self._path.parent) from error

    def _all(self) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise WorkspaceError(f"{self._path} is damaged; remove it, and give the options again") from error
        return kept
