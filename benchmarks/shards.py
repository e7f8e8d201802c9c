"""Measures searches in a library on several shards beside the same library on one server, both on this machine.

Run it with ``make bench-shards``. All servers share the machine's processors and its memory, so what the shards' own
processors would add is not seen; what asking several of them costs is.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import numpy as np
from common import DIM, KINDS, QUERIES, VIEWS, Bench, Point, Report, bench_of, library_in, measure, milliseconds

from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize
from meshseek.reporting import ConsoleReporter
from meshseek.store.embedded.server import EmbeddedServer
from meshseek.store.indexes import INDEXES, default_index
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library, Request
from meshseek.store.read.opening import open_library
from meshseek.store.shards import Shards

GOAL = 1.5
"""Median time of a search in shards, in that of one server."""


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--assets", type=int, default=20_000)
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--dim", type=int, default=DIM)
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--index", choices=INDEXES.names, help="[default: what suits the size]")
    parser.add_argument("--queries", type=int, default=QUERIES, help="of each kind, that recall is measured with")
    parser.add_argument("--folder", type=Path, help="where the library is kept; else it is made anew")
    parser.add_argument("--json", type=Path, help="write all figures into this file as well")
    given = parser.parse_args()
    kind = given.index or default_index(given.assets)
    size = LibrarySize(assets=given.assets, views=given.views, dim=given.dim)
    report = Report(f"{given.shards} shards beside one server, {given.assets:,} assets x {given.views} views, {kind}")
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meshseek bench ")))
        meshseek = stack.enter_context(library_in(folder, size))
        workspace, servers = meshseek.workspace, []
        for number in range(given.shards):
            embedded = stack.enter_context(EmbeddedServer(workspace.folder / f"shard-{number}"))
            servers.append(Server(embedded.acquire))
        libraries = []
        times = {}
        places: dict[str, Server | Shards] = {"one server": meshseek.server, "shards": Shards(servers)}
        for name, databases in places.items():
            began = time.perf_counter()
            publish(ALGORITHM, workspace, databases, index_kind=kind, max_assets=None, reporter=ConsoleReporter())
            times[name] = time.perf_counter() - began
            library = open_library(databases, ALGORITHM, codes=workspace.codes)
            libraries.append((name, stack.enter_context(closing(library))))
        report.table("publishing", [{"where": name, "seconds": seconds} for name, seconds in times.items()])
        first = Library(Shards(servers).live(ALGORITHM)[0], ALGORITHM, codes=workspace.codes, shards=len(servers))
        part = stack.enter_context(closing(first))
        _compare(bench_of(meshseek), dict(libraries), part, given.queries, report)
    report.write(given.json)


def _compare(bench: Bench, libraries: dict[str, Library], part: Library, count: int, report: Report) -> None:
    """Search in both, with the same queries; and in one shard alone, which has a machine of its own elsewhere."""
    exact = bench.exact(libraries["one server"], count)
    whole = bench.exact(libraries["shards"], count)
    same = np.mean([own == other for kind in KINDS for own, other in zip(exact[kind], whole[kind], strict=True)])
    ratios = []
    for kind in KINDS:
        fresh, asked = bench.fresh(kind), bench.queries(kind, count)
        points: dict[str, Point] = {}
        for name, library in libraries.items():
            ask = partial(bench.nearest, library, request=Request(limit=20))
            points[name] = measure(name, ask, (asked, exact[kind]), fresh)
        alone = float(
            np.median(milliseconds(partial(bench.nearest, part, request=Request(limit=20)), bench.fresh(kind)))
        )
        rows = [{"where": name, **point.row} for name, point in points.items()]
        report.table(kind, [*rows, {"where": "one shard alone", "p50 ms": alone}])
        ratio = points["shards"].p50_ms / points["one server"].p50_ms
        ratios.append({"queries": kind, "p50 of shards / one server": ratio, "goal": GOAL, "held": ratio <= GOAL})
    report.table("time", ratios)
    report.table("exact answers that are the same", [{"share": float(same)}])


if __name__ == "__main__":
    main()
