"""Copies of our source, for tests that change it."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copied_source(folder: Path) -> Path:
    """Copy ``src`` into a folder, with what Python has compiled of it: to compile all takes seconds.

    Returns:
        The copied package.
    """
    # What has a number after its ending is being written by another process, and may be gone in a moment.
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.pyc.*", "*.egg-info"))
    return folder / "src" / "meshseek"
