"""Runs Meshseek's commands as a user does, and says what they took."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil

WATCHED_SECONDS = 0.05


class Taken(NamedTuple):
    """What a command printed and took."""

    printed: str
    seconds: float
    cpu: float
    """Seconds that its processes were at work, which other work beside them changes less; without the database."""
    peak: float
    """Memory of all its processes together in MB, those of the database left out: its buffers are shared. Pages of
    files that they map are not counted: the system takes them back when it needs them."""


def run_meshseek(*arguments: str, workspace: Path) -> Taken:
    """Run a command to its end; one that fails ends everything."""
    started, worked = time.monotonic(), _worked()
    program = [sys.executable, "-m", "meshseek", *arguments, "--workspace", str(workspace)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        peak = [0.0]
        watcher = threading.Thread(target=_watch, args=(psutil.Process(child.pid), peak), daemon=True)
        watcher.start()
        printed, told = child.communicate()
    seconds = time.monotonic() - started
    if child.returncode:
        raise SystemExit(f"{' '.join(program)}: {told}")
    return Taken(printed, seconds, _worked() - worked, peak[0])


def _worked() -> float:
    """Seconds of all processes that were waited for, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _watch(process: psutil.Process, peak: list[float]) -> None:
    while True:
        try:
            family = [process, *process.children(recursive=True)]
            held = [member.memory_info() for member in family if member.name() != "postgres"]
            peak[0] = max(peak[0], sum(each.rss - each.shared for each in held) / 2**20)
        except psutil.Error:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return
        time.sleep(WATCHED_SECONDS)
