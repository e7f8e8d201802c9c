"""Measures search over made-up vectors: recall with its tail, first and repeated queries, filters, memory, goals.

Run it with ``make bench-search``, or ``make bench-search ARGS="--vectors 1000000 --engines faiss --graphs 5"``. Several
sizes give growth. ``--workspace DIR`` measures what ``meshseek bench make`` has made there, as it is published, and
publishes it where nothing is; ``--engines`` without a name and ``--no-filters`` leave out what takes long.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from beside import Built, at_goals, ours, ratio_to, theirs
from commands import run_meshseek
from common import DIM, KINDS, QUERIES, Bench, Compared, Point, Report, bench_of, library_in, measure, milliseconds
from engines import ENGINES
from filtering import filters
from goals import Size, rows_of
from numpy.typing import NDArray
from processes import resident_gb, restart_cold

from meshseek.bootstrap import Meshseek
from meshseek.errors import DatabaseError, NotPublishedError
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize
from meshseek.search.modes import TIERS
from meshseek.search.warming import warm_up
from meshseek.settings import read_settings
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import Breadth, Published, QueryKind

BOTH = ("codes", "hnsw")
BOTH_AT_MOST = 200_000
"""Of more vectors only one index is built unless more are asked for: the second one takes as long again."""
LIMIT = "faiss"
PEERS_AT_MOST = 200_000
"""Over more vectors only the limit is measured beside: the others take very long to build."""
SESSION = "-c search_path=live,public -c hnsw.iterative_scan=relaxed_order -c jit=off"
KIND_NAMES: dict[str, QueryKind] = {"txt": "text", "img": "image"}


def main() -> None:
    """Measure each library by each index, and print tables."""
    arguments = _arguments()
    report = Report("Search over made-up vectors")
    growth = []
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        for meshseek, vectors in _libraries(arguments, Path(temporary)):
            for index in arguments.index or _usual(arguments, meshseek, vectors):
                run = _Run(arguments, report, meshseek, index)
                growth.append({"index": index, "vectors": run.vectors, **run.measure()})
    if len(growth) > 1:
        report.table("growth", growth)
    report.write(arguments.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--vectors", type=int, nargs="+", default=[200_000])
    parser.add_argument("--views", default="8", help="of an asset: N, or from how many to how many; 0: a caption each")
    parser.add_argument("--likeness", type=float, default=0.95, help="mean cosine of two views of one asset")
    parser.add_argument("--workspace", type=Path, help="measure this one, which 'meshseek bench make' has made")
    parser.add_argument("--index", nargs="+", help="kinds, each published in turn  [default: codes and hnsw, or live]")
    parser.add_argument("--queries", type=int, default=QUERIES, help="of each kind, that recall is measured with")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--graphs", type=int, default=1, help=f"of {LIMIT}, built in different orders")
    parser.add_argument("--no-filters", action="store_true")
    parser.add_argument("--drop-caches", action="store_true", help="cold: forget the files of the whole machine (root)")
    parser.add_argument("--folder", type=Path, help="keep the libraries here, a workspace for each size")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    return parser.parse_args()


def _libraries(arguments: argparse.Namespace, temporary: Path) -> Iterator[tuple[Meshseek, int]]:
    """Each library's workspace, and how many vectors it is meant to have."""
    if arguments.workspace is not None:
        with _opened(arguments.workspace) as meshseek:
            yield meshseek, sum(meshseek.workspace.vectors_table(ALGORITHM, s).count() for s in _sources(meshseek))
        return
    fewest, dash, most = arguments.views.partition("-")
    bounds = (int(fewest), int(most)) if dash else (int(fewest), int(fewest))
    each = sum(bounds) / 2 or 1
    for vectors in arguments.vectors:
        size = LibrarySize(
            assets=round(vectors / each),
            views=bounds[1],
            fewest_views=bounds[0] if dash else None,
            dim=DIM,
            likeness=arguments.likeness,
        )
        with library_in(arguments.folder or temporary, size) as meshseek:
            yield meshseek, vectors


@contextmanager
def _opened(folder: Path) -> Iterator[Meshseek]:
    meshseek = Meshseek(read_settings(workspace=folder))
    try:
        yield meshseek
    finally:
        meshseek.close()


def _sources(meshseek: Meshseek) -> list[Any]:
    return [source for source in meshseek.workspace.embedded_sources(ALGORITHM) if source == "appearance"]


def _live(meshseek: Meshseek) -> Published | None:
    library = Library(meshseek.server, ALGORITHM)
    try:
        return library.published()
    except NotPublishedError:
        return None
    finally:
        library.close()


def _usual(arguments: argparse.Namespace, meshseek: Meshseek, vectors: int) -> tuple[str, ...]:
    """One kind where nobody names any: somebody's workspace stays as it is, and a large library takes long."""
    if arguments.workspace is None and vectors <= BOTH_AT_MOST:
        return BOTH
    live = _live(meshseek)
    return (live.index_kind if live else BOTH[0],)


class _Run:
    """One library by one index."""

    def __init__(self, arguments: argparse.Namespace, report: Report, meshseek: Meshseek, index: str) -> None:
        self._arguments, self._report, self._meshseek, self._index = arguments, report, meshseek, index
        self._costs: list[dict[str, Any]] = []
        self._values: dict[str, float] = {}
        live = _live(meshseek)
        if live is None or live.index_kind != index:
            self._command("publish", "--index", index)
            live = _live(meshseek)
        assert live is not None
        if not live.tunings:
            self._command("tune", "--queries", str(arguments.queries))
        self._bench: Bench = bench_of(meshseek)
        self._size = Size(live.assets, live.views / max(1, live.assets), self._bench.world.likeness)
        self.vectors = live.views or live.english_captions
        self._title = f"{index}: {self._size.text}"

    def measure(self) -> dict[str, Any]:
        """Everything; returns what grows."""
        compared, points = self._recall()
        self._beside(compared, points["txt"])
        self._report.table(f"cost, {self._title}", self._costs)
        self._report.table(f"sizes, {self._title}", self._sizes())
        point = points["txt"]
        self._values |= {"recall": point.recall.mean, "lost": point.recall.share_lost}
        self._values |= {"p50": point.p50_ms, "p95": point.p95_ms, "again": point.again_ms}
        self._report.table(f"goals, {self._title}", rows_of(self._size, self._values))
        return {"publish min": self._values.get("publish", float("nan")), "words p50 ms": point.p50_ms}

    def _recall(self) -> tuple[dict[str, Compared], dict[str, Point]]:
        """Recall and times as the library was tuned; then filters, memory, and the same after a restart."""
        bench, arguments = self._bench, self._arguments
        library = bench.library()
        try:
            began = time.monotonic()
            warm_up(library, library.published())
            self._costs.append({"what": "read into memory", "s": time.monotonic() - began})
            began = time.monotonic()
            truth = bench.exact(library, arguments.queries)
            self._costs.append({"what": f"exact answers to {2 * arguments.queries:,}", "s": time.monotonic() - began})
            count = arguments.queries
            compared: dict[str, Compared] = {kind: (bench.queries(kind, count), truth[kind]) for kind in KINDS}
            breadths = {kind: library.published().breadth(bench.target, KIND_NAMES[kind]) for kind in KINDS}
            points = {kind: self._point(library, kind, breadths[kind], compared[kind]) for kind in KINDS}
            memory = resident_gb(self._meshseek)
            if not arguments.no_filters:
                self._filters(library, breadths)
        finally:
            library.close()
        self._costs.append({"what": "memory of this process and of the server", "GB": memory})
        self._values["memory"] = memory
        rows = [{"queries": kind, "tuned": point.setting, **point.row} for kind, point in points.items()]
        rows = [row | self._cold(kind, breadths[kind]) for row, kind in zip(rows, KINDS, strict=True)]
        self._report.table(f"as tuned, {self._title}", rows)
        return compared, points

    def _point(self, library: Library, kind: str, breadth: Breadth, compared: Compared) -> Point:
        def ask(vector: NDArray[np.float32]) -> list[int]:
            return self._bench.nearest(library, vector, Request(limit=TIERS[0], breadth=breadth))

        asked = breadth.for_depth(TIERS[0])
        setting = f"ef {asked.ef}, {asked.candidates} assets"
        return measure(setting, ask, compared, self._bench.fresh(kind))

    def _cold(self, kind: str, breadth: Breadth) -> dict[str, Any]:
        """Times after a restart with an empty page cache, when nothing but codes was read into memory."""
        if self._meshseek.settings.database_url is not None:
            return {"cold": "not measured: the server is not Meshseek's own"}
        try:
            how = restart_cold(self._meshseek, whole_machine=self._arguments.drop_caches)
        except DatabaseError as error:  # somebody else uses the server
            return {"cold": f"not measured: {error}"}
        library = self._bench.library()

        def ask(vector: NDArray[np.float32]) -> list[int]:
            return self._bench.nearest(library, vector, Request(limit=TIERS[0], breadth=breadth))

        try:
            library.read_codes(library.published())
            p50, p95 = np.percentile(milliseconds(ask, self._bench.fresh(kind)), (50, 95))
        finally:
            library.close()
        return {"cold p50 ms": float(p50), "cold p95 ms": float(p95), "cold": f"after a restart, {how}"}

    def _filters(self, library: Library, breadths: dict[str, Breadth]) -> None:
        rows = list(filters(self._bench, library, breadths))
        self._report.table(f"filters, {self._title}", rows)
        self._values["filtered"] = max(row["to unfiltered"] for row in rows)
        self._values["filter_recall"] = min(row["recall"] for row in rows)

    def _beside(self, compared: dict[str, Compared], tuned: Point) -> None:
        names = [name for name in self._arguments.engines if name == LIMIT or self.vectors <= PEERS_AT_MOST]
        if not names:
            return
        mine = f"meshseek {self._index}"
        library = self._bench.library()
        try:
            warm_up(library, library.published())
            curves = ours(self._bench, library, self._index, compared)
        finally:
            library.close()
        curves["txt"].append(tuned)
        others = theirs(self._bench, names, {LIMIT: self._arguments.graphs}, compared)
        built = {mine: Built(self._values.get("publish", float("nan")) * 60, curves), **others}
        self._report.table(f"at equal recall of the distinct ten assets, {self._title}", list(at_goals(mine, built)))
        for name in names:
            ratio = ratio_to(name, mine, built)
            if ratio is not None:
                self._values[name] = ratio if name == LIMIT else 1 / ratio if ratio else float("inf")

    def _command(self, name: str, *options: str) -> None:
        print(f"{name} {' '.join(options)} ...", file=sys.stderr)
        taken = run_meshseek(name, "--algorithm", ALGORITHM, *options, workspace=self._meshseek.workspace.folder)
        gigabytes = taken.peak * 2**20 / 1e9
        self._costs.append({"what": " ".join((name, *options)), "s": taken.seconds, "GB": gigabytes})
        self._costs[-1]["cpu s"] = taken.cpu
        self._values |= {name: taken.seconds / 60, f"{name}_gb": gigabytes}

    def _sizes(self) -> list[dict[str, Any]]:
        with self._meshseek.server.connect(ALGORITHM) as connection:
            rows = connection.execute(
                "SELECT relname, relkind, pg_total_relation_size(oid) / 1e6 FROM pg_class "
                "WHERE relnamespace = 'live'::regnamespace AND relkind IN ('r', 'i') ORDER BY 3 DESC LIMIT 8"
            ).fetchall()
        kinds = {"r": "table, with its indexes", "i": "index"}
        return [{"relation": name, "kind": kinds[kind], "MB": float(size)} for name, kind, size in rows]


if __name__ == "__main__":
    main()
