"""Measures searches over HTTP beside the same statements over SQL, the first query, and the memory of all processes."""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from common import DIM, VIEWS, Bench, Report, opened

from meshseek.bootstrap import Meshseek
from meshseek.embedders.synthetic.world import World
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize
from meshseek.search.diversity import DEPTH
from meshseek.search.modes.appearance import AppearanceMode
from meshseek.search.question import Question
from meshseek.search.tuning import Goal, Tuners
from meshseek.settings import read_settings
from meshseek.store.indexes import DEFAULT_INDEX
from meshseek.store.read.library import Library, Request

CLIENTS = (1, 8, 32)
QUERIES, ROUNDS = 600, 3
"""Queries for each number of clients, and in how many rounds; HTTP and SQL take turns."""
UNTIMED = 10
"""Queries of each client before."""
PROCESSES = psutil.cpu_count() or 1
"""That clients are threads of: a single one would measure its own interpreter."""
SHOWN = 10
LIMITS = {
    "HTTP / SQL p50 at 1 client": "<= 1.4",
    "HTTP / SQL QPS at 32 clients": ">= 0.85",
    "first / warm p95": "<= 2",
    "memory GB": "<= 4",
}

Ask = Callable[[str], float]
"""Asks for words that were not asked for before, and returns milliseconds."""
Connect = Callable[[], Callable[[], Ask]]
"""Made once in a process, then called for each of its clients."""
HEAD = "POST /search/text HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


class Measured(NamedTuple):
    """What some clients saw."""

    times: list[float]
    """Milliseconds of each query."""
    seconds: float
    """From the first to the last."""


def main() -> None:
    """Serve a library, ask it, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--views", type=int, default=200_000)
    parser.add_argument("--index", default=DEFAULT_INDEX, help="kind of index, as in: codes")
    parser.add_argument("--queries", type=int, default=QUERIES, help="for each number of clients and way of asking")
    parser.add_argument("--folder", type=Path, help="keep the library here, in a workspace of its own")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        size = LibrarySize(assets=arguments.views // VIEWS, views=VIEWS, dim=DIM)
        with opened(arguments.folder or Path(temporary), size, arguments.index) as bench:
            workspace = bench.meshseek.workspace.folder
            told = f"Serving {arguments.views:,} views, words to views, {arguments.index}, {_tune(bench)}"
            report = Report(told)
            with _serving(workspace) as (process, port):
                over_http, over_sql = partial(_http, port), partial(_sql, workspace, size)
                first = over_http()()("the first query")
                each = {clients: max(1, arguments.queries // ROUNDS // clients) for clients in CLIENTS}
                rows = [_row(clients, each[clients], process, over_http, over_sql) for clients in CLIENTS]
                memory = _memory(process, workspace)
            report.table("latency", rows)
            values = (
                rows[0]["HTTP p50 ms"] / rows[0]["SQL p50 ms"],
                rows[-1]["HTTP QPS"] / rows[-1]["SQL QPS"],
                first / rows[0]["HTTP p95 ms"],
                memory,
            )
            named = zip(LIMITS.items(), values, strict=True)
            report.table("goals", [{"what": name, "measured": value, "goal": goal} for (name, goal), value in named])
            report.write(arguments.json)


def _tune(bench: Bench) -> str:
    library = Library(bench.meshseek.server, ALGORITHM, codes=bench.meshseek.workspace.codes)
    try:
        published = library.published()
        if not any(tuning.target == "appearance" for tuning in published.tunings):
            tuners = Tuners(library, published, 1_000)
            for _ in tuners.compare():
                pass
            library.keep_tunings(published, [tuner.tune(Goal(0.99)) for tuner in tuners])
        breadth = library.published().breadth("appearance", "text").for_depth(DEPTH)
        return f"ef {breadth.ef}, {breadth.candidates} assets"
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


def _http(port: int) -> Callable[[], Ask]:
    """Clients that keep a connection, and do as little as a client can."""

    def client() -> Ask:
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(words: str) -> float:
            body = json.dumps({"query": words, "algorithm": ALGORITHM, "cross_modal": True})
            started = time.perf_counter()
            connection.sendall((HEAD.format(len(body)) + body).encode())
            head, _, content = connection.recv(1 << 16).partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            while len(content) < length:
                content += connection.recv(1 << 16)
            milliseconds = 1000 * (time.perf_counter() - started)
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"{head!r} {content!r}")
            return milliseconds

        return ask

    return client


def _sql(workspace: Path, size: LibrarySize) -> Callable[[], Ask]:
    """Clients that send the statements of a search as the service does, and nothing else of it.

    Where candidates come from codes, they do so here: the statements need them.
    """
    meshseek = Meshseek(read_settings(workspace=workspace))
    library = Library(meshseek.server, ALGORITHM, codes=meshseek.workspace.codes)
    published, world, mode = library.published(), World(size.seed, size.dim, size.likeness), AppearanceMode()

    def ask(words: str) -> float:
        (vector,) = world.texts([words])
        started = time.perf_counter()
        ranking = mode.rank(library, Question.of(published, vector, "english"), Request(limit=DEPTH))
        ids = [ranked.asset_id for ranked in ranking]
        library.likeness(ids)
        library.shown(published, ids[:SHOWN])
        return 1000 * (time.perf_counter() - started)

    return lambda: ask


def _row(clients: int, each: int, process: psutil.Process, over_http: Connect, over_sql: Connect) -> dict[str, Any]:
    row: dict[str, Any] = {"clients": clients}
    measured: dict[str, list[Measured]] = {"HTTP": [], "SQL": []}
    worked = 0.0
    for _ in range(ROUNDS):
        before = _processor_seconds(process)
        measured["HTTP"].append(_measured(clients, each, over_http))
        worked += _processor_seconds(process) - before
        measured["SQL"].append(_measured(clients, each, over_sql))
    for name, rounds in measured.items():
        times = [time for each in rounds for time in each.times]
        row |= {f"{name} p50 ms": float(np.median(times)), f"{name} p95 ms": float(np.percentile(times, 95))}
        row[f"{name} QPS"] = len(times) / sum(each.seconds for each in rounds)
    asked = ROUNDS * clients * (UNTIMED + each)
    return {**row, "service CPU ms": 1000 * worked / asked}


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _measured(clients: int, each: int, connect: Connect) -> Measured:
    """Let clients ask at a time, in as many processes as there are processors."""
    spawning = multiprocessing.get_context("spawn")
    processes = min(clients, PROCESSES)
    ready, told = spawning.Barrier(clients), spawning.Queue()
    shares = [clients // processes + (number < clients % processes) for number in range(processes)]
    children = [spawning.Process(target=_ask, args=(connect, share, each, ready, told)) for share in shares]
    for child in children:
        child.start()
    outcomes = [told.get() for _ in range(clients)]
    for child in children:
        child.join()
    started, ended = min(start for start, _, _ in outcomes), max(end for _, end, _ in outcomes)
    return Measured([each for _, _, times in outcomes for each in times], ended - started)


def _ask(connect: Connect, share: int, each: int, ready: Any, told: Any) -> None:
    """Some of the clients, each a thread; the clock is one for all processes of a machine."""
    client = connect()

    def run() -> None:
        ask = client()
        for _ in range(UNTIMED):
            ask(_new_words())
        ready.wait()
        started = time.perf_counter()
        times = [ask(_new_words()) for _ in range(each)]
        told.put((started, time.perf_counter(), times))

    threads = [threading.Thread(target=run) for _ in range(share)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _new_words() -> str:
    """A query that nobody has asked."""
    return f"query number {time.monotonic_ns()} {threading.get_native_id()}"


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
