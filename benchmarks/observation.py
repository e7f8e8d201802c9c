"""Measures what it costs to watch a request: its id, line of the log, figures and trace, beside the same without."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import Report
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Scope

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http.logs import write_logs
from meshseek.interfaces.http.observation import add_observation
from meshseek.settings import read_settings
from meshseek.spans import DATABASE, Span

ROUNDS = 20
"""Rounds of each kind, by turns, so that what else the machine does falls on all of them."""
EACH = 100
"""Requests of a round."""
STATEMENTS = 8
"""Spans of a request: a search has about so many."""
GOAL_MS = 0.2


def main() -> None:
    """Call apps, by turns, and print the medians of what each adds."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as folder:
        times = asyncio.run(_times(Path(folder)))
    bare = statistics.median(times["bare"])
    report = Report(f"Watching a request with {STATEMENTS} spans, medians of {ROUNDS * EACH} requests")
    rows = [
        {"watched": name, "ms a request": 1000 * statistics.median(each), "added ms": _added(each, bare)}
        for name, each in times.items()
    ]
    report.table("cost", rows)
    report.table(
        "goals", [{"what": "added by all but traces", "measured": _added(times["json"], bare), "goal": GOAL_MS}]
    )
    report.write(arguments.json)


def _added(times: Sequence[float], bare: float) -> float:
    return 1000 * (statistics.median(times) - bare)


async def _times(folder: Path) -> dict[str, list[float]]:
    """Seconds of each request, by what is watched."""
    apps: dict[str, tuple[ASGIApp, dict[str, Any]]] = {"bare": (_app(None), {})}
    meshseek = Meshseek(read_settings(workspace=folder))
    apps["figures"] = (_app(meshseek), {"log_level": "warning"})
    apps["text"] = (_app(meshseek), {"log_format": "text"})
    apps["json"] = (_app(meshseek), {"log_format": "json"})
    os.environ["OTEL_TRACES_EXPORTER"] = "otlp"
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"  # nobody is there: what waits is dropped
    apps["json and traces"] = (_app(meshseek), {"log_format": "json"})
    times: dict[str, list[float]] = {name: [] for name in apps}
    for turn in range(-1, ROUNDS):
        for name, (app, settings) in apps.items():
            write_logs(read_settings(workspace=folder, log_file=folder / "log", **settings))
            seconds = [await _one(app) for _ in range(EACH)]
            if turn >= 0:
                times[name] += seconds
    return times


def _app(meshseek: Meshseek | None) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/things/{name}")
    async def thing(name: str) -> str:
        for _ in range(STATEMENTS):
            with Span(DATABASE, "benchmark"):
                pass
        return name

    if meshseek is not None:
        add_observation(app, meshseek)
    return app


async def _one(app: ASGIApp) -> float:
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/things/chair",
        "raw_path": b"/things/chair",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8000),
        "scheme": "http",
        "root_path": "",
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        pass

    started = time.perf_counter()
    await app(scope, receive, send)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
