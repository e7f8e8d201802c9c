"""Measures searches a second of a primary, and of it with two replicas, each held to the same part of a processor.

Run it with ``make bench-replicas``, as root on Linux: the parts are control groups (version 1, ``cpu``), mounted for
it. The servers are held to so little that they, and not the service, are what is short, as on machines of their own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.synthetic import Synthetic
from meshseek.errors import MeshseekError
from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize, make_library
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library, Request
from meshseek.store.read.reader import Reader
from meshseek.store.read.spread import Spread
from meshseek.workspace.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.cluster.postgres import Node, some_nodes  # servers that stream

CLIENTS = 8
DEPTH = 10
QUERIES = 500
PERIOD = 20_000
"""Microseconds in which a share is used up and given anew."""
SETTLED = 3.0


@dataclass(slots=True)
class Count:
    """What readers were answered."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    """Numbers of queries."""
    failures: list[str] = field(default_factory=list)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--assets", type=int, default=25_000, help="with eight views each")
    parser.add_argument("--share", type=float, default=0.15, help="of a processor, for each server")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rates: dict[int, list[float]] = {0: [], 2: []}
    counts: dict[int, Count] = {0: Count(), 2: Count()}
    with _served(arguments.assets) as nodes, _shares() as groups:
        for node in nodes:
            groups.hold(node, arguments.share)
        asked, expected = _questions(nodes[0])
        for _ in range(arguments.rounds):
            for replicas, count in counts.items():
                before = len(count.seconds)
                seconds = _ask(nodes[: 1 + replicas], asked, expected, count, arguments.seconds)
                rates[replicas].append((len(count.seconds) - before) / seconds)
    one = statistics.median(rates[0])
    print(f"{arguments.assets:,} assets of 8 views, {arguments.share} of a processor a server, {CLIENTS} clients\n")
    print("| servers | searches/s | to one | p50 ms | p95 ms | wrong | failed |\n|---|---|---|---|---|---|---|")
    for replicas, each in rates.items():
        p50, p95 = np.percentile(counts[replicas].seconds, (50, 95)) * 1000
        count, rate = counts[replicas], statistics.median(each)
        faults = f"{len(count.wrong)} | {len(count.failures)}"
        print(f"| {1 + replicas} | {rate:.1f} | {rate / one:.2f} | {p50:.1f} | {p95:.1f} | {faults} |")


@contextmanager
def _served(assets: int) -> Iterator[list[Node]]:
    """A primary and two replicas, which have all that is published."""
    with some_nodes() as nodes:
        with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
            nodes[0].make()
            nodes[0].start()
            workspace = Workspace(Path(temporary) / "workspace")
            make_library(LibrarySize(assets=assets, views=8, dim=768), workspace, SilentReporter())
            server = _server(nodes[0])
            publish(ALGORITHM, workspace, server, index_kind="hnsw", max_assets=None, reporter=SilentReporter())
        for node in nodes[1:]:
            node.follow(nodes[0])
            node.start()
        yield nodes


def _server(node: Node) -> Server:
    return Server(lambda: node.url, "")


@dataclass(slots=True)
class _Groups:
    """Control groups below one folder."""

    folder: Path
    made: list[Path] = field(default_factory=list)

    def hold(self, node: Node, share: float) -> None:
        """Hold a server, and whatever it starts from now on, to a share of one processor."""
        group = self.folder / f"meshseek-{node.port}"
        group.mkdir()
        self.made.append(group)
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(int(PERIOD * share)))
        for process in node.processes():
            (group / "cgroup.procs").write_text(str(process))


@contextmanager
def _shares() -> Iterator[_Groups]:
    with tempfile.TemporaryDirectory(prefix="meshseek-cpu-") as folder:
        subprocess.run(["mount", "-t", "cgroup", "-o", "cpu", "none", folder], check=True)
        groups = _Groups(Path(folder))
        try:
            yield groups
        finally:
            for group in groups.made:
                for process in (group / "cgroup.procs").read_text().split():
                    (groups.folder / "cgroup.procs").write_text(process)
                group.rmdir()
            subprocess.run(["umount", folder], check=True)


def _questions(node: Node) -> tuple[NDArray[np.float32], list[list[str]]]:
    """Queries, and what one server alone answers."""
    library = Library(_server(node), ALGORITHM)
    try:
        space = library.published().space
        world = Synthetic(EmbedderOptions(model=space.model, dim=space.dim)).world
        asked = world.texts([f"a query, number {number}" for number in range(QUERIES)])
        return asked, [_found(library, vector) for vector in asked]
    finally:
        library.close()


def _found(library: Library, vector: NDArray[np.float32]) -> list[str]:
    hits = library.nearest_views(library.last_known(), vector, Request(limit=DEPTH))
    return [hit.asset_id for hit in hits]


def _ask(
    nodes: list[Node], asked: NDArray[np.float32], expected: list[list[str]], count: Count, seconds: float
) -> float:
    """Ask with all clients for so long; the value is how long it was."""
    readers = {f"replica {number}": Reader(_server(node), ALGORITHM) for number, node in enumerate(nodes[1:], 1)}
    primary = Reader(_server(nodes[0]), ALGORITHM)
    library = Library(_server(nodes[0]), ALGORITHM, Spread(primary, readers))
    over = threading.Event()

    def read(first: int) -> None:
        number = first
        while not over.is_set():
            began = time.perf_counter()
            try:
                found = _found(library, asked[number])
                count.seconds.append(time.perf_counter() - began)
                if found != expected[number]:
                    count.wrong.append(number)
            except MeshseekError as error:
                count.failures.append(str(error))
            number = (number + CLIENTS) % len(asked)

    try:
        library.published()
        time.sleep(SETTLED)
        threads = [threading.Thread(target=read, args=(number,)) for number in range(CLIENTS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        over.wait(seconds)
        over.set()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began
    finally:
        library.close()


if __name__ == "__main__":
    main()
