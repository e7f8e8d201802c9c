"""Measures searches over HTTP beside the same statement over SQL, the first query, and the memory of all processes."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import DIM, VIEWS, Bench, Report, opened
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import connect
from search import SESSION

from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize
from meshseek.search.modes import TIERS
from meshseek.search.tuning import Goal, Tuners
from meshseek.store.read.library import Library

CLIENTS = (1, 8, 32)
EACH = 400
"""Queries for each number of clients."""
UNTIMED = 20
"""Queries of each client before."""
LIMITS = {"HTTP / SQL at 1 client": 1.5, "first / warm p95": 2.0, "memory GB": 4.0}

Ask = Callable[[int], None]


def main() -> None:
    """Serve a library, ask it, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--views", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, help="keep the library here, in a workspace of its own")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        size = LibrarySize(assets=arguments.views // VIEWS, views=VIEWS, dim=DIM)
        with opened(arguments.folder or Path(temporary), size) as bench:
            workspace = bench.meshseek.workspace.folder
            breadth = _tune(bench)
            report = Report(f"Serving {arguments.views:,} views, words to views, ef {breadth[0]}, {breadth[1]} assets")
            with _serving(workspace) as (process, port):
                first = _one(HTTPConnection("127.0.0.1", port), 10_000_000)
                rows = [_row(clients, bench, port, breadth) for clients in CLIENTS]
                memory = _memory(process, workspace)
            report.table("latency", rows)
            ratio = rows[0]["HTTP p50 ms"] / rows[0]["SQL p50 ms"]
            values = (ratio, first / rows[0]["HTTP p95 ms"], memory)
            named = zip(LIMITS.items(), values, strict=True)
            report.table("goals", [{"what": name, "measured": value, "goal": goal} for (name, goal), value in named])
            report.write(arguments.json)


def _tune(bench: Bench) -> tuple[int, int]:
    library = Library(bench.meshseek.server, ALGORITHM)
    try:
        published = library.published()
        found = [tuning for tuning in published.tunings if tuning.target == "appearance"]
        if not found:
            tuners = Tuners(library, published, 1_000)
            for _ in tuners.compare():
                pass
            found = [tuner.tune(Goal(0.99)) for tuner in tuners]
            library.keep_tunings(published, found)
        tuned = next(tuning for tuning in found if (tuning.target, tuning.kind) == ("appearance", "text"))
        breadth = tuned.breadth.for_depth(TIERS[0])
        return breadth.ef, breadth.candidates
    finally:
        library.close()


@contextmanager
def _serving(workspace: Path) -> Iterator[tuple[psutil.Process, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "meshseek", "serve", "--workspace", str(workspace), "--no-ui"]
    with subprocess.Popen([*command, "--api-port", str(port)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("stop with"):
                break
        try:
            yield psutil.Process(child.pid), port
        finally:
            child.send_signal(signal.SIGINT)


def _one(client: HTTPConnection, number: int) -> float:
    """Ask for words that were not asked for before, and return milliseconds."""
    body = json.dumps({"query": f"query number {number}", "algorithm": ALGORITHM, "cross_modal": True})
    started = time.perf_counter()
    client.request("POST", "/search/text", body, {"Content-Type": "application/json"})
    answer = client.getresponse()
    content = answer.read()
    if answer.status != 200:  # noqa: PLR2004
        raise SystemExit(f"HTTP {answer.status}: {content!r}")
    return 1000 * (time.perf_counter() - started)


def _row(clients: int, bench: Bench, port: int, breadth: tuple[int, int]) -> dict[str, Any]:
    over_http = _times(clients, lambda: _http(port))
    over_sql = _times(clients, lambda: _sql(bench, breadth))
    row: dict[str, Any] = {"clients": clients}
    for name, (times, seconds) in (("HTTP", over_http), ("SQL", over_sql)):
        row |= {f"{name} p50 ms": float(np.median(times)), f"{name} p95 ms": float(np.percentile(times, 95))}
        row[f"{name} QPS"] = len(times) / seconds
    return row


def _http(port: int) -> Iterator[float]:
    client = HTTPConnection("127.0.0.1", port)
    while True:
        yield _one(client, int(time.monotonic_ns()))


def _sql(bench: Bench, breadth: tuple[int, int]) -> Iterator[float]:
    text, world = bench.searching, bench.world
    values = {"limit": TIERS[0], "candidates": breadth[1]}
    with connect(bench.meshseek.server.conninfo(ALGORITHM), autocommit=True, options=SESSION) as connection:
        register_vector(connection)
        connection.execute(f"SET hnsw.ef_search = {breadth[0]}".encode())
        connection.execute("SET plan_cache_mode = force_generic_plan")
        while True:
            (vector,) = world.texts([f"query number {time.monotonic_ns()}"])
            started = time.perf_counter()
            asked = {**values, "vector": HalfVector(vector)}
            connection.execute(text, asked, prepare=True, binary=True).fetchall()
            yield 1000 * (time.perf_counter() - started)


def _times(clients: int, make: Callable[[], Iterator[float]]) -> tuple[list[float], float]:
    """The times of all queries, and the seconds from the first to the last, each client in a thread."""
    times: list[float] = []
    ready = threading.Barrier(clients + 1)

    def run() -> None:
        asking = make()
        for _ in range(UNTIMED):
            next(asking)
        ready.wait()
        times.extend(next(asking) for _ in range(EACH // clients))

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return times, time.perf_counter() - started


def _memory(process: psutil.Process, workspace: Path) -> float:
    """Gigabytes of the service and of the database server, shared pages counted once."""
    keepers = [p for p in psutil.process_iter(["cmdline"]) if str(workspace / "database") in (p.info["cmdline"] or ())]
    servers = [child for keeper in keepers for child in keeper.children(recursive=True)]
    held = 0
    for one in {process, *keepers, *servers}:
        with contextlib.suppress(psutil.NoSuchProcess):  # the connection of a client that has just gone
            held += one.memory_full_info().pss
    return held / 1e9


if __name__ == "__main__":
    main()
