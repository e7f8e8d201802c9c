"""Measures pictures a second of the embed stage in one process and on a Ray cluster of this machine, in turns.

Run it with ``make bench-cluster``. Both begin with the model loaded here; Ray starts its daemons, and loads it again.
What counts is the rate once the first unit is done: a run that needs a cluster takes days. Units are smaller than
usual, so that there are some.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from embed import SIZES, VIEWS, write_model, write_views
from transformers.utils import logging as transformers_logging

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.siglip import Siglip
from meshseek.pipeline import view_vectors
from meshseek.pipeline.embed import embed
from meshseek.pipeline.engines import ENGINES, EngineOptions
from meshseek.pipeline.workers import Workers
from meshseek.processors import usable_processors
from meshseek.reporting import SilentReporter
from meshseek.workspace.workspace import Workspace

GOAL = 0.9
UNIT = 128
"""Pictures."""
TOGETHER = 0.05
"""Assets that are told of within so many seconds are of one unit, or batch."""


class Times(SilentReporter):
    """When each asset was done."""

    def __init__(self) -> None:
        self._done: list[float] = []

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Note the time of each step of the last bar."""
        del title, total
        self._done.clear()
        yield lambda _: self._done.append(time.perf_counter())

    @property
    def rate(self) -> float:
        """Assets a second, after the first that were done."""
        first, *_, last = self._done
        return sum(done > first + TOGETHER for done in self._done) / (last - first)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--assets", type=int, default=60, help=f"assets with {VIEWS} views each")
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        folder = Path(temporary)
        siglip = Siglip(EmbedderOptions(model_dir=write_model(folder / "model", arguments.size)))
        names = ("local", "ray")
        seconds: dict[str, list[float]] = {name: [] for name in names}
        running: dict[str, list[float]] = {name: [] for name in names}
        view_vectors.VIEW_UNIT = UNIT
        for turn in range(arguments.rounds):
            for name in names:
                workspace = Workspace(folder / f"{name}-{turn}")
                write_views(workspace, arguments.assets)
                workers = Workers(usable_processors(), engine=ENGINES.load(name)(EngineOptions()))
                started, times = time.perf_counter(), Times()
                embed(siglip, "siglip", workspace, max_assets=None, reporter=times, workers=workers)
                seconds[name].append(time.perf_counter() - started)
                running[name].append(VIEWS * times.rate)
    pictures = arguments.assets * VIEWS
    rates = {name: statistics.median(each) for name, each in running.items()}
    print(f"{arguments.size}, {pictures} pictures, {usable_processors()} processors, {arguments.rounds} rounds\n")
    print("| engine | pictures/s once it runs | start included | s, fastest to slowest |\n|---|---|---|---|")
    for name, each in seconds.items():
        whole = pictures / statistics.median(each)
        print(f"| {name} | {rates[name]:.2f} | {whole:.2f} | {min(each):.1f} to {max(each):.1f} |")
    print(f"\nray / local: {rates['ray'] / rates['local']:.2f} (goal {GOAL})")


if __name__ == "__main__":
    main()
