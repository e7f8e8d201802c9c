"""Filters that go with the content and that do not, from very narrow to wide, beside searches without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from common import KINDS, Bench, measure
from numpy.typing import NDArray

from meshseek.pipeline.synthetic import SHARES
from meshseek.search.filters import conditions
from meshseek.search.modes import TIERS
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import Breadth

QUERIES = 200
"""Of each kind, for each filter."""


def filters(bench: Bench, library: Library, breadths: Mapping[str, Breadth]) -> Iterator[dict[str, Any]]:
    """A row for each filter and kind of query, those without a filter first.

    Args:
        bench: The library's world.
        library: What is asked.
        breadths: How widely, by kind of query.
    """
    plain: dict[str, float] = {}
    for name, among in {"": None, **_passing(bench)}.items():
        truth = bench.exact(library, QUERIES, among)
        for kind in KINDS:
            request = Request(
                limit=TIERS[0], conditions=conditions({"tags": name} if name else {}), breadth=breadths[kind]
            )

            def ask(vector: NDArray[np.float32], request: Request = request) -> list[int]:
                return bench.nearest(library, vector, request)

            point = measure(name, ask, (bench.queries(kind, QUERIES), truth[kind]), bench.fresh(kind))
            plain.setdefault(kind, point.p50_ms)
            passing = "all" if among is None else f"{len(among):,}"
            row = {"filter": name or "none", "queries": kind, "assets": passing, **point.row}
            yield {**row, "to unfiltered": point.p50_ms / plain[kind]}


def _passing(bench: Bench) -> dict[str, set[str]]:
    """Ids of the assets that each filter lets pass."""
    passing: dict[str, set[str]] = {f"{how} {share:.1%}": set() for how in ("random", "corner") for share in SHARES}
    for asset in bench.meshseek.workspace.assets():
        for tag in asset.attributes["tags"]:
            passing[tag].add(asset.asset_id)
    return passing
