"""Meshseek beside other engines at equal recall, asked in this process, one query after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from common import KINDS, Bench, Compared, Point, distinct, measure, number_of
from engines import ENGINES, timed
from numpy.typing import NDArray

from meshseek.pipeline.synthetic import ALGORITHM
from meshseek.search.modes import TIERS
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import Breadth
from meshseek.workspace.halves import from_column

GOALS = {"0.95": (0.95, 1.0), "0.99": (0.99, 1.0), "0.99, none below .5": (0.99, 0.0)}
"""The mean at least, and the share of queries below .5 at most."""
HIGHEST = "0.99, none below .5"
EFS = {"codes": (100, 400, 1000), "": (40, 60, 80, 100, 150, 200, 300, 400)}
CANDIDATES = (40, 60, 100, 150, 200, 400)
"""Assets that are compared exactly, of those that the index has found."""
WIDER = 2.0
"""A point that is so much slower than one that reaches every goal ends a curve: what is wider is slower."""

Curves = dict[str, list[Point]]
"""Points by kind of query."""


class Built(NamedTuple):
    """One engine, or one of several graphs of it."""

    seconds: float
    curves: Curves


def ours(bench: Bench, library: Library, index: str, compared: Mapping[str, Compared]) -> Curves:
    """How widely the library may be asked, from narrow to wide."""
    curves: Curves = {kind: [] for kind in KINDS}
    for kind in KINDS:
        for breadth in _breadths(index):
            request = Request(limit=TIERS[0], breadth=breadth)

            def ask(vector: NDArray[np.float32], request: Request = request) -> list[int]:
                return bench.nearest(library, vector, request)

            setting = f"ef {breadth.ef}, {breadth.candidates} assets"
            curves[kind].append(measure(setting, ask, compared[kind], bench.fresh(kind)))
            best = reaching(curves[kind], HIGHEST)
            if best and curves[kind][-1].p50_ms > WIDER * best.p50_ms:
                break
    return curves


def theirs(
    bench: Bench, names: Sequence[str], graphs: Mapping[str, int], compared: Mapping[str, Compared]
) -> dict[str, Built]:
    """Build each engine, some of them several times, and ask it more and more widely until every goal is reached."""
    vectors, assets = _vectors(bench)
    built = {}
    for name in names:
        for seed in range(graphs.get(name, 1)):
            seconds, settings = timed(ENGINES[name], vectors, seed)
            curves: Curves = {kind: [] for kind in KINDS}
            for setting, ask in settings:

                def found(vector: NDArray[np.float32], ask: Any = ask) -> list[int]:
                    return distinct(assets[np.asarray(ask(vector), dtype=np.int64)])

                for kind in KINDS:
                    curves[kind].append(measure(setting, found, compared[kind], bench.fresh(kind)))
                if all(reaching(curve, HIGHEST) for curve in curves.values()):
                    break
            built[f"{name} #{seed + 1}" if graphs.get(name, 1) > 1 else name] = Built(seconds, curves)
    return built


def at_goals(mine: str, built: Mapping[str, Built]) -> Iterator[dict[str, Any]]:
    """For each goal the fastest setting of each engine."""
    for kind in KINDS:
        for goal in GOALS:
            own = reaching(built[mine].curves[kind], goal)
            for name, (seconds, curves) in built.items():
                point = reaching(curves[kind], goal)
                row: dict[str, Any] = {"queries": kind, "recall at least": goal, "engine": name, "build s": seconds}
                if point is not None:
                    ratio = own.p50_ms / point.p50_ms if own else float("nan")
                    row |= {"setting": point.setting, **point.row, f"{mine} / it": ratio}
                else:
                    best = max((p.recall for p in curves[kind]), key=lambda recall: (-recall.share_lost, recall.mean))
                    row["setting"] = f"not reached, at best {best.mean:.3f} with {best.share_lost:.1%} below .5"
                yield row


def ratio_to(name: str, mine: str, built: Mapping[str, Built]) -> float | None:
    """Our p50 divided by the median of an engine's graphs, for words, each at its fastest that loses no query.

    None where the engine was not asked; a graph that does not reach it counts as infinitely slow.
    """
    own = reaching(built[mine].curves["txt"], HIGHEST)
    points = [reaching(each.curves["txt"], HIGHEST) for key, each in built.items() if key.partition(" #")[0] == name]
    if not points or own is None:
        return None
    return own.p50_ms / median(float("inf") if point is None else point.p50_ms for point in points)


def reaching(points: Sequence[Point], goal: str) -> Point | None:
    """The fastest point that reaches a goal."""
    mean, lost = GOALS[goal]
    reached = (point for point in points if point.recall.mean >= mean and point.recall.share_lost <= lost)
    return min(reached, key=lambda point: point.p50_ms, default=None)


def _breadths(index: str) -> list[Breadth]:
    """From narrow to wide; those that come to the same once."""
    made = [Breadth(ef, n).for_depth(TIERS[0]) for n in CANDIDATES for ef in EFS.get(index, EFS[""]) if n <= ef]
    return list(dict.fromkeys(made))


def _vectors(bench: Bench) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """All vectors of the workspace, shape ``(n, dim)``, and the number of each one's asset."""
    workspace = bench.meshseek.workspace
    table = workspace.vectors_table(ALGORITHM, "appearance" if bench.has_views else "caption_english")
    vectors: list[NDArray[np.float16]] = []
    assets: list[NDArray[np.int64]] = []
    for part in table.tables():
        vectors.append(from_column(part))
        assets.append(np.array([number_of(asset_id) for asset_id in part["asset_id"].to_pylist()]))
    return np.concatenate(vectors), np.concatenate(assets)
