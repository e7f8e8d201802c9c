"""One run: faults at their times while clients ask, and what came of it."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from meshseek.bootstrap import Meshseek
from meshseek.settings import read_settings
from tests.conftest import free_port
from tests.soak.clients import DEADLINE, Clients
from tests.soak.faults import Api, Faults, asking
from tests.soak.model import Model

SCHEDULE = {
    0.06: "connections_cut",
    0.12: "api_restarted",
    0.30: "database_restarted",
    0.42: "published_anew",
    0.52: "connections_cut",
    0.60: "published_in_place",
    0.70: "database_killed",
    0.82: "database_frozen",
}
"""When each fault is made, as a part of the whole."""
WARM, END = 0.06, 0.07
"""For how much of the whole the API is warmed after its restart and then measured, and how much at the end counts."""
READY_SECONDS = 5.0
GROWTH, MORE_MEGABYTES, MORE_FILES = 1.15, 30.0, 16
POLL_SECONDS = 0.05


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    seconds: float
    clients: int
    record: Any
    recovery: dict[str, float] = field(default_factory=dict)
    first: tuple[float, int] = (0.0, 0)
    last: tuple[float, int] = (0.0, 0)
    tracebacks: int = 0
    unexpected: int = 0
    """Connections that were refused or broke while the API was not being restarted."""

    def faults(self) -> list[str]:
        """What should not have happened."""
        record = self.record
        slow = [f"{name}: {seconds:.1f} s" for name, seconds in self.recovery.items() if seconds > READY_SECONDS]
        grown = []
        if self.last[0] > GROWTH * self.first[0] + MORE_MEGABYTES:
            grown.append(f"memory grew from {self.first[0]:.0f} to {self.last[0]:.0f} MB")
        if self.last[1] > self.first[1] + MORE_FILES:
            grown.append(f"open files grew from {self.first[1]} to {self.last[1]}")
        broken = [f"{self.unexpected} connections broke for no reason"] if self.unexpected else []
        logged = [f"{self.tracebacks} tracebacks in the log"] if self.tracebacks else []
        return [*record.wrong, *record.late, *record.undocumented, *slow, *grown, *broken, *logged]

    def figures(self) -> dict[str, Any]:
        """For a table, and for a file."""
        record = self.record
        times = record.milliseconds or [0.0]
        return {
            "seconds": round(self.seconds),
            "clients": self.clients,
            "requests": sum(record.statuses.values()),
            "by status": {str(name): count for name, count in sorted(record.statuses.items(), key=str)},
            "wrong": len(record.wrong),
            f"past {DEADLINE:.0f} s": len(record.late),
            "undocumented": len(record.undocumented),
            "broken connections outside a restart": self.unexpected,
            "tracebacks": self.tracebacks,
            "p50 ms": round(float(np.percentile(times, 50)), 1),
            "p95 ms": round(float(np.percentile(times, 95)), 1),
            "slowest ms": round(max(times), 1),
            "seconds until answers": {name: round(seconds, 2) for name, seconds in self.recovery.items()},
            "memory MB, first and last": [round(self.first[0]), round(self.last[0])],
            "files, first and last": [self.first[1], self.last[1]],
        }


def soak(seconds: float, count: int, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Ask for so long with so many clients, over a library and a database of its own."""
    with tempfile.TemporaryDirectory(prefix="meshseek soak ") as folder:
        meshseek = Meshseek(read_settings(workspace=Path(folder)))
        try:
            say("making the library and its exact answers")
            model = Model.of(meshseek)
            port = free_port()
            api = Api(Path(folder), port, Path(folder, "api.log"))
            try:
                return _run(meshseek, api, Clients(port, model, count), seconds, count, say)
            finally:
                api.stop()
        finally:
            meshseek.close()


def _run(
    meshseek: Meshseek, api: Api, clients: Clients, seconds: float, count: int, say: Callable[[str], None]
) -> Outcome:
    outcome = Outcome(seconds, count, clients.record)
    faults = Faults(meshseek, api, frozen_seconds=min(15.0, seconds / 20))
    weights: list[tuple[float, float, int]] = []
    over = threading.Event()
    began = time.monotonic()

    def weigh() -> None:
        while not over.wait(seconds / 200):
            try:
                weights.append((time.monotonic(), *api.weight()))
            except Exception:  # noqa: BLE001  # it is being restarted
                continue

    watcher = threading.Thread(target=weigh, daemon=True)
    with asking(clients):
        watcher.start()
        for part, name in SCHEDULE.items():
            time.sleep(max(0.0, began + part * seconds - time.monotonic()))
            back = getattr(faults, name)()
            outcome.recovery[f"{part:.0%} {name.replace('_', ' ')}"] = _until_answered(clients, back)
            if name == "api_restarted":
                time.sleep(WARM * seconds)
                warm = time.monotonic()
                time.sleep(WARM * seconds)
                outcome.first = _middle([weight for weight in weights if weight[0] > warm] or weights[-1:])
            say(f"{part:.0%} {name.replace('_', ' ')}: {sum(clients.record.statuses.values()):,} requests so far")
        time.sleep(max(END * seconds, began + seconds - time.monotonic()))
        ended = time.monotonic()
    over.set()
    watcher.join()
    outcome.seconds = time.monotonic() - began
    outcome.last = _middle([weight for weight in weights if weight[0] > ended - END * seconds] or weights[-1:])
    outcome.tracebacks = api.tracebacks()
    outcome.unexpected = sum(
        not any(start - 1 <= when <= end + 1 for start, end in faults.expected) for when in clients.record.cut
    )
    return outcome


def _until_answered(clients: Clients, back: float) -> float:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        after = [when for when in clients.record.good[-500:] if when > back]
        if after:
            return min(after) - back
        time.sleep(POLL_SECONDS)
    return 60.0


def _middle(weights: list[tuple[float, float, int]]) -> tuple[float, int]:
    return median(weight[1] for weight in weights), int(median(weight[2] for weight in weights))
