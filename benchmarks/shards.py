"""Measures searches in a library on several shards beside the same library on one server, both on this machine.

Run it with ``make bench-shards``. All servers share the machine's processors and its memory, so what the shards' own
processors would add is not seen; what asking several of them costs is.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import numpy as np
from common import DIM, KINDS, QUERIES, VIEWS, Bench, Report, bench_of, library_in, measure, milliseconds
from fanout import WHOLE
from foreign_tables import foreign_tables
from numpy.typing import NDArray

from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize
from meshseek.reporting import ConsoleReporter
from meshseek.store.embedded.server import EmbeddedServer
from meshseek.store.indexes import INDEXES, default_index
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library, Request
from meshseek.store.read.opening import open_library
from meshseek.store.shards import Shards
from meshseek.workspace.workspace import Workspace

Ask = Callable[[NDArray[np.float32]], Sequence[int]]

GOAL = 1.5
"""Median time of a search in shards, in that of one server."""


def main() -> None:
    """Measure and print tables."""
    given = _arguments()
    kind = given.index or default_index(given.assets)
    size = LibrarySize(assets=given.assets, views=given.views, dim=given.dim)
    report = Report(f"{given.shards} shards beside one server, {given.assets:,} assets x {given.views} views, {kind}")
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meshseek bench ")))
        meshseek = stack.enter_context(library_in(folder, size))
        codes = meshseek.workspace.codes
        embedded = [EmbeddedServer(meshseek.workspace.folder / f"shard-{number}") for number in range(given.shards)]
        shards = Shards([Server(stack.enter_context(server).acquire) for server in embedded])
        places: dict[str, Server | Shards] = {"one server": meshseek.server, "shards": shards}
        report.table("publishing", list(_published(meshseek.workspace, places, kind)))
        libraries = {
            name: stack.enter_context(closing(open_library(databases, ALGORITHM, codes=codes)))
            for name, databases in places.items()
        }
        live = shards.live(ALGORITHM)
        parts = [
            stack.enter_context(closing(Library(server, ALGORITHM, codes=codes, shards=len(live)))) for server in live
        ]
        bench = bench_of(meshseek)
        asks = {name: _ask(bench, library) for name, library in libraries.items()}
        alone = [_ask(bench, part) for part in parts]
        if given.foreign:
            breadth = parts[0].published().breadth("appearance", "text")
            foreign = stack.enter_context(foreign_tables(meshseek.server, live, ALGORITHM, given.dim, breadth))
            asks["foreign tables"] = foreign.nearest
            plan = foreign.plan(bench.fresh("txt")[0])
            report.table("what postgres_fdw asks", [{"line": line} for line in plan])
        exact = {name: bench.exact(library, given.queries) for name, library in libraries.items()}
        _compare(bench, exact, asks, alone, report)
        if given.times:
            every = {WHOLE: asks["shards"]} | {f"shard {number}": ask for number, ask in enumerate(alone, 1)}
            _write_times(given.times, bench, every)
    report.write(given.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--assets", type=int, default=20_000)
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--dim", type=int, default=DIM)
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--index", choices=INDEXES.names, help="[default: what suits the size]")
    parser.add_argument("--queries", type=int, default=QUERIES, help="of each kind, that recall is measured with")
    parser.add_argument("--foreign", action="store_true", help="search through postgres_fdw as well; with graphs only")
    parser.add_argument("--folder", type=Path, help="where the library is kept; else it is made anew")
    parser.add_argument("--times", type=Path, help="write times of searches into this file, for fanout.py --measured")
    parser.add_argument("--json", type=Path, help="write all figures into this file as well")
    return parser.parse_args()


def _published(workspace: Workspace, places: dict[str, Server | Shards], kind: str) -> Iterator[dict[str, object]]:
    """Publish everywhere, and tell how long it takes."""
    for name, databases in places.items():
        began = time.perf_counter()
        publish(ALGORITHM, workspace, databases, index_kind=kind, max_assets=None, reporter=ConsoleReporter())
        yield {"where": name, "seconds": time.perf_counter() - began}


def _ask(bench: Bench, library: Library) -> Ask:
    return partial(bench.nearest, library, request=Request(limit=20))


def _compare(
    bench: Bench,
    exact: dict[str, dict[str, list[set[int]]]],
    asks: dict[str, Ask],
    alone: list[Ask],
    report: Report,
) -> None:
    """Search everywhere with the same queries; and in one shard alone, which has a machine of its own elsewhere."""
    one, shards = exact["one server"], exact["shards"]
    ratios = []
    for kind in KINDS:
        fresh, asked = bench.fresh(kind), bench.queries(kind, len(one[kind]))
        points = {name: measure(name, ask, (asked, one[kind]), fresh) for name, ask in asks.items()}
        rows = [{"where": name, **point.row} for name, point in points.items()]
        p50 = float(np.median(milliseconds(alone[0], bench.fresh(kind))))
        report.table(kind, [*rows, {"where": "one shard alone", "p50 ms": p50}])
        ratio = points["shards"].p50_ms / points["one server"].p50_ms
        ratios.append({"queries": kind, "p50 of shards / one server": ratio, "goal": GOAL, "held": ratio <= GOAL})
    report.table("time", ratios)
    same = np.mean([own == other for kind in KINDS for own, other in zip(one[kind], shards[kind], strict=True)])
    report.table("exact answers that are the same", [{"share": float(same)}])


def _write_times(path: Path, bench: Bench, asks: dict[str, Ask]) -> None:
    """Milliseconds of the same queries in each shard and in all, as ``fanout.py --measured`` reads them."""
    queries = np.concatenate([bench.fresh("txt") for _ in range(5)])
    times = {name: milliseconds(ask, queries) for name, ask in asks.items()}
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(times)
        rows.writerows(zip(*times.values(), strict=True))


if __name__ == "__main__":
    main()
