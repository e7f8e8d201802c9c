"""The machine that a plan is for: this one, or one that is described."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from meshseek.processors import usable_processors

_GPU = Path("/dev/nvidia0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine has."""

    cores: int
    memory: int
    """Bytes."""
    disk: int | None
    """Free bytes where the workspace and the database are; None where nobody said."""
    gpu: bool
    is_this: bool
    """Whether it is this one, and nothing of it was described."""


def machine_of(folder: Path, *, cores: int | None, memory: int | None, disk: int | None, gpu: bool | None) -> Machine:
    """This machine, with what is described of another one in place of its own.

    Args:
        folder: Where the workspace is or will be.
        cores: Of the other machine.
        memory: Its bytes.
        disk: Its free bytes.
        gpu: Whether it has one.
    """
    is_this = cores is None and memory is None and disk is None and gpu is None
    here = is_this or (cores is None and memory is None)
    return Machine(
        cores=cores or usable_processors(),
        memory=memory or psutil.virtual_memory().total,
        disk=disk if disk is not None or not here else _free(folder),
        gpu=_GPU.exists() if gpu is None else gpu,
        is_this=is_this,
    )


def _free(folder: Path) -> int:
    there = next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
    return shutil.disk_usage(there).free
