"""Measures search over synthetic vectors: recall, latency, filters and sizes, beside an index in process and the peers.

Run it with ``make bench-search``, or ``make bench-search ARGS="--vectors 1000000"``. Several sizes give
growth: ``--vectors 50000 200000 1000000``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from common import DEPTH, DIM, KINDS, VIEWS, Bench, Point, Report, distinct, measure, number_of, opened
from engines import ENGINES, timed
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import Connection, connect

from meshseek.pipeline.synthetic import ALGORITHM, SHARES, LibrarySize
from meshseek.search.filters import conditions
from meshseek.search.modes import TIERS
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import Breadth

GOALS = {"0.95": (0.95, 1.0), "0.99": (0.99, 1.0), "0.99, none below .5": (0.99, 0.0)}
"""The mean at least, and the share of queries below .5 at most."""
HIGHEST = "0.99, none below .5"
EFS = (40, 60, 80, 100, 150, 200, 300, 400)
"""Nodes that the graph's search keeps; of the assets that it finds some or all are compared in the second stage."""
BREADTHS = [Breadth(ef, n).for_depth(TIERS[0]) for ef in EFS for n in (40, 60, 100, 200, 400) if n <= ef]
LIMIT = "faiss"
PEERS_AT_MOST = 200_000
"""Over more vectors only the limit is measured beside: the others take very long to build."""
SESSION = "-c search_path=live,public -c hnsw.iterative_scan=relaxed_order -c jit=off"

Curves = dict[str, list[Point]]
"""Points by kind of query."""


def main() -> None:
    """Measure each size, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--vectors", type=int, nargs="+", default=[200_000])
    parser.add_argument("--views-of-an-asset", type=int, default=VIEWS, help="0: a caption each, and no views")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--likeness", type=float, default=0.95, help="mean cosine of two views of one asset")
    parser.add_argument("--folder", type=Path, help="keep the libraries here, a workspace for each size")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        report = Report(f"Search over {', '.join(f'{n:,}' for n in arguments.vectors)} vectors of {DIM} dimensions")
        growth = []
        for vectors in arguments.vectors:
            each = arguments.views_of_an_asset
            size = LibrarySize(assets=vectors // (each or 1), views=each, dim=DIM, likeness=arguments.likeness)
            with opened(arguments.folder or Path(temporary), size) as bench:
                engines = [name for name in arguments.engines if name == LIMIT or vectors <= PEERS_AT_MOST]
                growth.append({"vectors": vectors, **_one_size(bench, engines, report)})
        if len(growth) > 1:
            report.table("growth", [*growth, _exponents(growth)])
        report.write(arguments.json)


def _one_size(bench: Bench, engines: Sequence[str], report: Report) -> dict[str, Any]:
    title = f"{bench.size.assets:,} assets, {bench.each} vectors each"
    masks = _masks(bench)
    truth = dict(zip(masks, bench.exact(list(masks.values())), strict=True))
    compared = {kind: (bench.queries[kind], truth[""][kind]) for kind in KINDS}
    curves: dict[str, Curves] = {}
    build: dict[str, float] = {"meshseek, raw SQL": bench.publish_seconds or float("nan")}
    with connect(bench.meshseek.server.conninfo(ALGORITHM), autocommit=True, options=SESSION) as connection:
        register_vector(connection)
        curves["meshseek, raw SQL"] = _sql(connection, bench, compared)
        sizes = _sizes(connection)
    whole = np.concatenate(list(bench.vectors())) if engines else None
    for name in engines:
        assert whole is not None
        build[name], settings = timed(ENGINES[name], whole)
        curves[name] = {kind: [] for kind in KINDS}
        for setting, ask in settings:

            def found(vector: NDArray[np.float32], ask: Any = ask) -> list[int]:
                return distinct(np.asarray(ask(vector)) // bench.each)

            for kind in KINDS:
                curves[name][kind].append(measure(setting, found, compared[kind], bench.fresh(kind)))
            if all(_reaching(curves[name][kind], HIGHEST) for kind in KINDS):
                break  # what is wider is slower
    report.values[f"curves, {title}"] = {
        name: {k: list(map(asdict, v)) for k, v in c.items()} for name, c in curves.items()
    }
    report.table(f"at equal recall of the distinct ten assets, {title}", _at_goals(curves, build))
    report.table(f"filters, {title}", _filters(bench, masks, truth, _tuned(curves["meshseek, raw SQL"])))
    report.table(f"sizes, {title}", sizes)
    reached = _reaching(curves["meshseek, raw SQL"]["txt"], HIGHEST)
    return {"publish s": build["meshseek, raw SQL"], "txt .99 p50 ms": reached.p50_ms if reached else float("nan")}


def _masks(bench: Bench) -> dict[str, NDArray[np.bool_]]:
    """Which assets each filter allows; all without one."""
    names = [f"{how} {share:.1%}" for how in ("random", "corner") for share in SHARES]
    masks = {name: np.zeros(bench.size.assets, dtype=np.bool_) for name in names}
    for asset in bench.meshseek.workspace.assets():
        for tag in asset.attributes["tags"]:
            masks[tag][number_of(asset.asset_id)] = True
    return {"": np.ones(bench.size.assets, dtype=np.bool_), **masks}


def _sql(connection: Connection[Any], bench: Bench, compared: dict[str, tuple[Any, list[set[int]]]]) -> Curves:
    """The searching statement as the service sends it, hydration included, over one connection."""
    connection.execute("SET plan_cache_mode = force_generic_plan")
    text = bench.searching
    curves: Curves = {kind: [] for kind in KINDS}
    for breadth in BREADTHS:
        connection.execute(f"SET hnsw.ef_search = {breadth.ef}".encode())
        values = {"limit": TIERS[0], "candidates": breadth.candidates}

        def ask(vector: NDArray[np.float32], values: dict[str, int] = values) -> list[int]:
            asked = {**values, "vector": HalfVector(vector)}
            rows = connection.execute(text, asked, prepare=True, binary=True).fetchall()
            return [number_of(row[1]) for row in rows][:DEPTH]

        for kind in KINDS:
            setting = f"ef {breadth.ef}, {breadth.candidates} assets"
            curves[kind].append(measure(setting, ask, compared[kind], bench.fresh(kind)))
    return curves


def _reaching(points: Sequence[Point], goal: str) -> Point | None:
    """The fastest point that reaches a goal."""
    mean, lost = GOALS[goal]
    reached = (point for point in points if point.recall.mean >= mean and point.recall.share_lost <= lost)
    return min(reached, key=lambda point: point.p50_ms, default=None)


def _at_goals(curves: dict[str, Curves], build: dict[str, float]) -> list[dict[str, Any]]:
    rows = []
    for kind in KINDS:
        for goal in GOALS:
            ours = _reaching(curves["meshseek, raw SQL"][kind], goal)
            for name, curve in curves.items():
                point = _reaching(curve[kind], goal)
                row: dict[str, Any] = {"queries": kind, "recall at least": goal, "engine": name, "build s": build[name]}
                if point is not None:
                    ratio = ours.p50_ms / point.p50_ms if ours else float("nan")
                    row |= {"setting": point.setting, **point.row, "meshseek / it": ratio}
                else:
                    best = max((p.recall for p in curve[kind]), key=lambda recall: (-recall.share_lost, recall.mean))
                    row["setting"] = f"not reached, at best {best.mean:.3f} with {best.share_lost:.1%} below .5"
                rows.append(row)
    return rows


def _tuned(curves: Curves) -> dict[str, Breadth]:
    """The cheapest breadth that reaches the highest goal, by kind of query."""
    reached = {kind: _reaching(points, HIGHEST) for kind, points in curves.items()}
    return {k: Breadth(400, 400) if p is None else BREADTHS[curves[k].index(p)] for k, p in reached.items()}


def _filters(
    bench: Bench,
    masks: dict[str, NDArray[np.bool_]],
    truth: dict[str, dict[str, list[set[int]]]],
    breadths: dict[str, Breadth],
) -> list[dict[str, Any]]:
    """Filters that go with the content and that do not, through the library as the service uses it."""
    library = Library(bench.meshseek.server, ALGORITHM)
    library.published()
    rows: list[dict[str, Any]] = []
    try:
        for kind in KINDS:
            plain = float("nan")
            for name, allowed in masks.items():
                filters = conditions({"tags": name} if name else {})
                request = Request(limit=TIERS[0], conditions=filters, breadth=breadths[kind])

                def ask(vector: NDArray[np.float32], request: Request = request) -> list[int]:
                    return bench.nearest(library, vector, request)

                point = measure(name, ask, (bench.queries[kind], truth[name][kind]), bench.fresh(kind))
                plain = plain if name else point.p50_ms
                row = {"queries": kind, "filter": name or "none", "assets": int(allowed.sum()), **point.row}
                rows.append({**row, "to unfiltered": point.p50_ms / plain})
    finally:
        library.close()
    return rows


def _sizes(connection: Connection[Any]) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT relname, relkind, pg_relation_size(oid) / 1e6 FROM pg_class "
        "WHERE relnamespace = 'live'::regnamespace AND relkind IN ('r', 'i') ORDER BY 3 DESC LIMIT 8"
    ).fetchall()
    kinds = {"r": "table", "i": "index"}
    return [{"relation": name, "kind": kinds[kind], "MB": float(size)} for name, kind, size in rows]


def _exponents(growth: list[dict[str, Any]]) -> dict[str, Any]:
    """The powers with which the figures grow with the number of views."""
    sizes = np.log([row["vectors"] for row in growth])
    fitted = {"vectors": "exponent"}
    for column in (name for name in growth[0] if name != "vectors"):
        values = np.log([row[column] for row in growth])
        fitted[column] = f"{np.polyfit(sizes, values, 1)[0]:.2f}" if np.isfinite(values).all() else ""
    return fitted


if __name__ == "__main__":
    main()
