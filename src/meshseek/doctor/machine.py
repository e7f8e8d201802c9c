"""Whether the machine has room, and knows what time it is."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from meshseek.doctor.findings import Finding

GB: Final = 1e9
LEAST_DISK: Final = 0.5 * GB
LITTLE_DISK: Final = 5 * GB
"""Free bytes below which something fails soon, or may."""
LEAST_MEMORY: Final = 0.3 * GB
LITTLE_MEMORY: Final = 1.5 * GB
"""Bytes below which nothing can be loaded, or only small models."""
MADE: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""No clock that is right is before this version was made."""
AHEAD_SECONDS: Final = 120
"""How far in the future a file may seem to be: clocks of file servers differ a little."""
MOST_FILES: Final = 20_000
"""Files whose times are looked at."""


def look_at_disk(folder: Path, what: str) -> Iterator[Finding]:
    """How much room is left where a folder is or would be."""
    there = next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
    free = shutil.disk_usage(there).free
    text = f"{free / GB:,.1f} GB are free for the {what} in {folder}"
    cure = "make room there, for example with 'meshseek clean', or choose another MESHSEEK_WORKSPACE"
    if free < LEAST_DISK:
        yield Finding("disk", "problem", text, cure)
    elif free < LITTLE_DISK:
        yield Finding("disk", "warning", text, cure)
    else:
        yield Finding("disk", "ok", text)


def look_at_memory() -> Iterator[Finding]:
    """How much can be had."""
    free = psutil.virtual_memory().available
    text = f"{free / GB:,.1f} GB of memory are free"
    if free < LEAST_MEMORY:
        yield Finding("memory", "problem", text, "end other programs, or use a machine with more")
    elif free < LITTLE_MEMORY:
        yield Finding("memory", "warning", text, "end other programs, set MESHSEEK_WORKERS=1, or keep to 'lite'")
    else:
        yield Finding("memory", "ok", text)


def look_at_clock(workspace: Path) -> Iterator[Finding]:
    """Whether it is before what has already happened."""
    now = time.time()
    cure = "set the clock, for example with: timedatectl set-ntp true"
    if now < MADE:
        yield Finding("clock", "problem", f"it says {_moment(now)}, before this version was made", cure)
        return
    newest = max(_times(workspace), default=0.0)
    if newest > now + AHEAD_SECONDS:
        text = f"it says {_moment(now)}, but a file of the workspace is of {_moment(newest)}"
        yield Finding("clock", "warning", text, cure)
    else:
        yield Finding("clock", "ok", f"it says {_moment(now)}")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="minutes").replace("+00:00", " UTC")


def _times(folder: Path) -> Iterator[float]:
    """When files were changed, of so many as can be looked at quickly; the database has its own."""
    left = MOST_FILES
    for parent, folders, names in os.walk(folder):
        if parent == str(folder) and "database" in folders:
            folders.remove("database")
        for name in names:
            left -= 1
            if left < 0:
                return
            try:
                yield os.stat(os.path.join(parent, name), follow_symlinks=False).st_mtime  # noqa: PTH116, PTH118  # fast
            except OSError:  # it is gone already
                continue
