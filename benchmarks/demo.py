"""Measures the demo: each stage's share, the second start, queries over HTTP, memory; each against its limit.

Run it with ``make bench`` or ``make bench ARGS="--assets all"``. The installation is not in these figures.
"""

from __future__ import annotations

import argparse
import csv
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

QUERIES = Path(__file__).parents[1] / "evaluation" / "furniture.csv"
ROUNDS = 5
LIMITS = {"240": 300.0, "all": 1200.0}
"""Seconds to the printed addresses, installation included."""
LIMIT_SECOND_START = 10.0
LIMIT_QUERY_MS = 25.0
LIMIT_MEMORY_MB = 1200.0


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", default="240", help="a number, or all")
    parser.add_argument("--workspace", type=Path, help="measure a workspace that is there, and keep it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        workspace = arguments.workspace or Path(temporary)
        _first_run(workspace, arguments.assets)
        with _serving(workspace, arguments.assets) as (process, seconds, url):
            _row("second start", seconds, "s", LIMIT_SECOND_START)
            _queries(url)
            _memory(process)


def _first_run(workspace: Path, assets: str) -> None:
    started = time.monotonic()
    command = [*_meshseek(workspace), "--assets", assets, "--once", "--json"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    total = time.monotonic() - started
    print(f"first run, {assets} assets")
    stages: list[dict[str, Any]] = json.loads(ended.stdout)["stages"]
    for stage in stages:
        print(f"  {stage['stage']:<24} {stage['seconds']:>8.1f} s {stage['seconds'] / total:>6.0%}")
    rest = total - sum(stage["seconds"] for stage in stages)
    print(f"  {'starting, sample searches':<24} {rest:>7.1f} s {rest / total:>6.0%}")
    _row("first run", total, "s", LIMITS.get(assets))


@contextmanager
def _serving(workspace: Path, assets: str) -> Iterator[tuple[psutil.Process, float, str]]:
    api, ui = _free_port(), _free_port()
    command = [*_meshseek(workspace), "--assets", assets, "--api-port", str(api), "--ui-port", str(ui)]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("stop with"):
                break
        try:
            yield psutil.Process(child.pid), time.monotonic() - started, f"http://127.0.0.1:{api}"
        finally:
            child.send_signal(signal.SIGINT)


def _queries(url: str) -> None:
    with QUERIES.open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file) if row["text"]]
    with httpx.Client(base_url=url) as client:
        for title, options in (("text to captions", {}), ("text to views", {"cross_modal": True})):
            whole: list[float] = []
            parts: dict[str, list[float]] = {"embed": [], "search": []}
            for text in texts * ROUNDS:
                started = time.perf_counter()
                answer = client.post("/search/text", json={"query": text, **options}).raise_for_status().json()
                whole.append(1000 * (time.perf_counter() - started))
                for part, times in parts.items():
                    times.append(answer["took_ms"][part])
            shares = ", ".join(f"{part} {statistics.median(times):.1f}" for part, times in parts.items())
            print(
                f"  {title}: {len(whole)} queries, p95 {statistics.quantiles(whole, n=20)[-1]:.1f} ms, median {shares}"
            )
            _row(f"{title}, p50", statistics.median(whole), "ms", LIMIT_QUERY_MS)


def _memory(process: psutil.Process) -> None:
    peak = next(
        int(line.split()[1]) / 1024
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    children = sum(child.memory_info().rss for child in process.children(recursive=True)) / 2**20
    print(f"  front end and helpers beside it: {children:.0f} MB now")
    _row("peak memory of the API", peak, "MB", LIMIT_MEMORY_MB)


def _row(title: str, value: float, unit: str, limit: float | None) -> None:
    against = f"limit {limit:g} {unit}, ratio {value / limit:.2f}" if limit else "no limit set"
    print(f"{title:<26} {value:>8.1f} {unit:<3} {against}", flush=True)


def _meshseek(workspace: Path) -> list[str]:
    return [sys.executable, "-m", "meshseek", "demo", "--workspace", str(workspace)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
