"""Measures ``meshseek publish``: its time and memory, one part in a hundred changed, and searches meanwhile.

Run it with ``make bench-publish``, or ``make bench-publish ARGS="--assets 1000000 --dim 768"`` for the size that the
limits are for.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
from commands import Taken, run_meshseek
from common import Report

from meshseek.bootstrap import Meshseek
from meshseek.embedders.synthetic.world import World
from meshseek.errors import DatabaseError
from meshseek.pipeline.synthetic import ALGORITHM
from meshseek.settings import read_settings
from meshseek.store.read.library import Library, Request, VersionChangedError
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

MUCH, LITTLE = 0.11, 0.01
"""More than a tenth is published anew; less is changed in place."""
LOT = 4096
PAUSE = 0.05
"""Seconds between searches: a steady few, which leave the machine to publishing."""
BEFORE = 200
"""Searches that are timed while nothing else runs."""
LIMIT_SECONDS, LIMIT_CHANGED, LIMIT_MB, LIMIT_RATIO = 720.0, 180.0, 1000.0, 3.0


class Searching:
    """Asks the live version again and again, each time with another picture, and keeps how long each answer took.

    Args:
        library: Open for reading.
        world: Makes the pictures.
    """

    def __init__(self, library: Library, world: World) -> None:
        self._library, self._world = library, world
        self._number = 1
        self.failed = 0

    def ask(self, times: list[float]) -> None:
        """Ask once, and wait a little."""
        self._number += 1
        (vector,) = self._world.pictures(1, self._number)
        started = time.perf_counter()
        try:
            published = self._library.published()
            self._library.nearest_views(published, vector, Request(limit=10))
        except VersionChangedError:
            self._library.nearest_views(self._library.published(), vector, Request(limit=10))
        except DatabaseError:
            self.failed += 1
        times.append(1000 * (time.perf_counter() - started))
        time.sleep(PAUSE)

    @contextmanager
    def meanwhile(self, times: list[float]) -> Iterator[None]:
        """Ask until the block ends."""
        ended = threading.Event()

        def on() -> None:
            while not ended.is_set():
                self.ask(times)

        asking = threading.Thread(target=on)
        asking.start()
        try:
            yield
        finally:
            ended.set()
            asking.join()


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--assets", type=int, default=100_000)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--index", default="codes")
    parser.add_argument(
        "--no-anew", action="store_true", help="only the small change: the disk holds no second version"
    )
    parser.add_argument("--folder", type=Path, help="where the workspace is made, or kept from the last time")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        _measure(arguments, arguments.folder or Path(temporary) / "workspace")


def _measure(arguments: argparse.Namespace, folder: Path) -> None:
    size = {"--assets": arguments.assets, "--views": arguments.views, "--dim": arguments.dim}
    report = Report("Publishing " + ", ".join(f"{name.removeprefix('--')} {value:,}" for name, value in size.items()))
    if not Workspace(folder).is_there:
        options = [str(part) for pair in size.items() for part in pair]
        run_meshseek("bench", "make", *options, workspace=folder)
    publishing = ["publish", "--algorithm", ALGORITHM, "--index", arguments.index]
    meshseek = Meshseek(read_settings(workspace=folder))
    try:
        taken = {"first": run_meshseek(*publishing, workspace=folder)}
        world = World(0, arguments.dim, 0.95)
        searching = Searching(Library(meshseek.server, ALGORITHM, codes=meshseek.workspace.codes), world)
        alone: list[float] = []
        for _ in range(BEFORE // 10):
            searching.ask([])  # the first ones open connections and read codes
        for _ in range(BEFORE):
            searching.ask(alone)
        shares = {"changed": LITTLE} if arguments.no_anew else {"anew": MUCH, "changed": LITTLE}
        beside: dict[str, list[float]] = {name: [] for name in shares}
        for name, share in shares.items():
            _change(Workspace(folder), share, name)
            with searching.meanwhile(beside[name]):
                taken[name] = run_meshseek(*publishing, workspace=folder)
    finally:
        meshseek.close()
    _tell(report, taken, alone, beside)
    report.table("searches that failed", [{"searches": searching.failed, "limit": 0}])
    report.write(arguments.json)


def _change(workspace: Workspace, share: float, word: str) -> None:
    """Give some assets another name, and with it other words and another digest."""
    assets = iter(list(islice(workspace.assets(), int(share * len(workspace.assets_table())))))
    while lot := list(islice(assets, LOT)):
        named = (dataclasses.replace(each, attributes={**each.attributes, "name": word}) for each in lot)
        workspace.assets_table().append([asset_row(asset) for asset in named])


def _tell(report: Report, taken: dict[str, Taken], alone: list[float], beside: dict[str, list[float]]) -> None:
    limits = {"first": LIMIT_SECONDS, "anew": LIMIT_SECONDS, "changed": LIMIT_CHANGED}
    report.table(
        "publications",
        [
            {
                "publication": name,
                "s": own.seconds,
                "limit s": limits[name],
                "CPU s beside the database": own.cpu,
                "peak MB beside the database": own.peak,
                "limit MB": LIMIT_MB,
            }
            for name, own in taken.items()
        ],
    )
    p95 = float(np.percentile(alone, 95))
    rows = []
    for name, times in {"nothing else runs": alone, **beside}.items():
        own = float(np.percentile(times, 95))
        figures = {"p50 ms": float(np.median(times)), "p95 ms": own, "longest ms": max(times)}
        rows.append({"searches": name, "count": len(times), **figures, "p95 / alone": own / p95, "limit": LIMIT_RATIO})
    report.table("searches", rows)


if __name__ == "__main__":
    main()
