"""Measures what facets cost a search, and pages and facets of a catalogue.

Run it with ``make bench-facets``, or ``make bench-facets ARGS="--workspace DIR"`` over what 'meshseek bench make' has
made there and 'meshseek publish --algorithm synthetic' has published.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from common import DIM, Report, opened

from meshseek.bootstrap import Meshseek
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize
from meshseek.search.algorithm import Algorithm
from meshseek.search.browsing import SORTS, Browse
from meshseek.search.query import Query
from meshseek.settings import read_settings
from meshseek.store.read.library import Library

T = TypeVar("T")
FIELDS = ("category", "tags", "licence", "creator", "faces")
QUERIES = 100
PAGES = 50
MOST_RATIO, MOST_MORE = 2.0, 10.0
"""Of the time of a search without facets, and in milliseconds: the goals at 1,000,000 views and at 820 assets."""


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--assets", type=int, default=820)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--workspace", type=Path, help="measure what is published of this one")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    arguments = parser.parse_args()
    report = Report("Facets and catalogues over made-up assets")
    with _meshseek(arguments) as meshseek:
        library = Library(meshseek.server, ALGORITHM, codes=meshseek.workspace.codes)
        algorithm = Algorithm(ALGORITHM, library, lambda space: meshseek.embedder(ALGORITHM, space.model, space.dim))
        with closing(library):
            published = library.published()
            size = f"{published.assets:,} assets, {published.views:,} views, {published.index_kind}"
            if published.views:
                report.table(f"searches, {size}", list(searches(algorithm)))
            report.table(f"catalogue, {size}", list(catalogue(algorithm)))
    report.write(arguments.json)


@contextmanager
def _meshseek(arguments: argparse.Namespace) -> Iterator[Meshseek]:
    if arguments.workspace is None:
        size = LibrarySize(assets=arguments.assets, views=arguments.views, dim=DIM)
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder), size) as bench:
            yield bench.meshseek
        return
    meshseek = Meshseek(read_settings(workspace=arguments.workspace))
    try:
        yield meshseek
    finally:
        meshseek.close()


def searches(algorithm: Algorithm) -> Iterator[dict[str, Any]]:
    """Searches with and without facets, in turn, each text asked once before, so that embedding costs neither."""
    kinds: dict[str, dict[str, Any]] = {
        "words, all modes": {},
        "words with views": {"target": "appearance"},
        "filtered by tag": {"filters": {"tags": "random 10.0%"}},
        "filtered by tag and faces": {"filters": {"tags": "random 10.0%", "faces": {"min": 100}}},
    }
    for name, options in kinds.items():
        plain: list[float] = []
        faceted: list[float] = []
        counted = 0
        for number in range(QUERIES):
            query = Query(text=f"wooden chair {number % 10} of {number}", **options)
            algorithm.search(query)
            plain.append(_took(algorithm.search, query))
            with_facets = replace(query, facets=FIELDS)
            faceted.append(_took(algorithm.search, with_facets))
            facets = algorithm.search(with_facets).facets
            counted += facets.counted if facets else 0
        without, with_them = float(np.median(plain)), float(np.median(faceted))
        yield {
            "search": name,
            "p50 ms": without,
            "with facets, p50 ms": with_them,
            "more ms": with_them - without,
            "ratio": with_them / without,
            "goal": f"<= {MOST_RATIO:g}x, or <= {MOST_MORE:g} ms more",
            "counted, mean": counted / QUERIES,
        }


def catalogue(algorithm: Algorithm) -> Iterator[dict[str, Any]]:
    """The first page of each order, a page far behind it, and facets when they are asked for the first time."""
    for sort in SORTS:
        first = [_took(algorithm.browse, Browse(sort=sort)) for _ in range(PAGES)]
        wanted = Browse(sort=sort, limit=200)
        later = []
        for _ in range(PAGES):
            cursor = algorithm.browse(wanted).cursor
            if cursor is None:
                break
            wanted = replace(wanted, cursor=cursor)
            later.append(_took(algorithm.browse, wanted))
        yield {
            "what": f"sort={sort}",
            "first page, p50 ms": float(np.median(first)),
            "page of 200 behind, p50 ms": float(np.median(later)) if later else "",
        }
    every: dict[str, dict[str, Any]] = {
        "nothing": {},
        "tags=random 0.1%": {"tags": "random 0.1%"},
        "tags=random 10.0%": {"tags": "random 10.0%"},
        "faces=100..1000": {"faces": {"min": 100, "max": 1000}},
    }
    for name, filters in every.items():
        fresh = Algorithm(ALGORITHM, algorithm.library, lambda _: None)  # type: ignore[arg-type, return-value]  # unused
        for sort in ("name", "-date"):
            total = _took(fresh.browse, Browse(filters=filters, sort=sort))
            again = _took(fresh.browse, Browse(filters=filters, sort=sort))
            yield {"what": f"filter {name}, sort={sort}", "first page, p50 ms": total, "again ms": again}
        took = _took(fresh.browse, Browse(filters=filters, facets=FIELDS))
        yield {"what": f"facets, filter {name}", "first page, p50 ms": took}


def _took(ask: Callable[[T], object], asked: T) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    ask(asked)
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
