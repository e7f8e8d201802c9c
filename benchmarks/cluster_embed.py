"""Measures pictures a second of the embed stage in one process and on a Ray cluster of this machine, in turns.

Run it with ``make bench-cluster``. Both begin with the model loaded here; Ray starts its daemons, and loads it again.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from embed import SIZES, VIEWS, write_model, write_views
from transformers.utils import logging as transformers_logging

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.siglip import Siglip
from meshseek.pipeline.embed import embed
from meshseek.pipeline.engines import ENGINES, EngineOptions
from meshseek.pipeline.workers import Workers
from meshseek.processors import usable_processors
from meshseek.reporting import SilentReporter
from meshseek.workspace.workspace import Workspace

GOAL = 0.9


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
        for turn in range(arguments.rounds):
            for name in names:
                workspace = Workspace(folder / f"{name}-{turn}")
                write_views(workspace, arguments.assets)
                workers = Workers(usable_processors(), engine=ENGINES.load(name)(EngineOptions()))
                started = time.perf_counter()
                embed(siglip, "siglip", workspace, max_assets=None, reporter=SilentReporter(), workers=workers)
                seconds[name].append(time.perf_counter() - started)
    pictures = arguments.assets * VIEWS
    rates = {name: pictures / statistics.median(each) for name, each in seconds.items()}
    print(f"{arguments.size}, {pictures} pictures, {usable_processors()} processors, {arguments.rounds} rounds\n")
    print("| engine | pictures/s, start included | s, fastest to slowest |\n|---|---|---|")
    for name, each in seconds.items():
        print(f"| {name} | {rates[name]:.2f} | {min(each):.1f} to {max(each):.1f} |")
    print(f"\nray / local: {rates['ray'] / rates['local']:.2f} (goal {GOAL})")


if __name__ == "__main__":
    main()
