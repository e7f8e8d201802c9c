"""Finds the cheapest way of asking an index that still finds what comparing with everything finds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from meshseek.errors import NotPublishedError
from meshseek.model import Ranked
from meshseek.search.modes import MODES, TIERS
from meshseek.search.question import Question
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import (
    MAX_EF,
    QUERY_KINDS,
    TARGETS,
    Breadth,
    Published,
    QueryKind,
    QueryType,
    Target,
    Tuning,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTH = 10
LADDER = (40, 60, 80, 100, 150, 200, 300, 400, 600, 800, MAX_EF)
NOISE = 0.3
"""Queries are vectors of the library moved by so much, so that none is simply its own answer."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One breadth on the sampled queries."""

    breadth: Breadth
    recall: float
    """Mean share of the exact ten assets that was found."""
    p50_ms: float


class Tuner:
    """Tunes one target for one kind of query.

    Args:
        library: What is asked.
        published: Its live version.
        target: What is compared with.
        kind: Of the queries: caption vectors stand for texts, view vectors for pictures.
        count: Queries.
    """

    def __init__(self, library: Library, published: Published, target: Target, kind: QueryKind, count: int) -> None:
        self._library, self._published, self._target, self._kind = library, published, target, kind
        self._queries = _moved(library.sample(kind, count))
        self._truth: list[set[str]] = []

    def __len__(self) -> int:
        return len(self._queries)

    def compare(self) -> Iterator[None]:
        """Find the exact answers, one at each step."""
        for vector in self._queries:
            self._truth.append({hit.asset_id for hit in self._ask(vector, Request(limit=DEPTH, exact=True))})
            yield

    def tune(self, goal: float) -> Tuning:
        """The cheapest breadth on the ladder that reaches the goal; the widest where none does."""
        reached = [trial for trial in self._trials(goal) if trial.recall >= goal]
        chosen = min(reached, key=lambda trial: trial.p50_ms) if reached else self._try(Breadth(MAX_EF, MAX_EF))
        return Tuning(
            target=self._target,
            kind=self._kind,
            goal=goal,
            ef=chosen.breadth.ef,
            candidates=chosen.breadth.candidates,
            recall=chosen.recall,
            p50_ms=chosen.p50_ms,
            queries=len(self._queries),
            tuned_at=datetime.now(UTC),
        )

    def _trials(self, goal: float) -> Iterator[Trial]:
        """For each size of the graph's search, fewer and fewer candidates as long as they are enough."""
        fewest = LADDER[-1]
        for ef in LADDER:
            for candidates in reversed([step for step in LADDER if step <= min(ef, fewest)]):
                trial = self._try(Breadth(ef, candidates))
                yield trial
                if trial.recall < goal:
                    break
                fewest = candidates
            if fewest == LADDER[0]:
                return

    def _try(self, breadth: Breadth) -> Trial:
        recalls, times = [], []
        request = Request(limit=TIERS[0], breadth=breadth)
        for vector, truth in zip(self._queries, self._truth, strict=True):
            started = time.perf_counter()
            hits = self._ask(vector, request)[:DEPTH]
            times.append(1000 * (time.perf_counter() - started))
            recalls.append(len({hit.asset_id for hit in hits} & truth) / len(truth) if truth else 1.0)
        return Trial(breadth, fmean(recalls), median(times))

    def _ask(self, vector: NDArray[np.float32], request: Request) -> list[Ranked]:
        query_type: QueryType = "image" if self._kind == "image" else "english"
        question = Question.of(self._published, vector, query_type)
        return MODES.load(self._target)().rank(self._library, question, request)


def tuners(library: Library, published: Published, count: int) -> list[Tuner]:
    """A tuner for each target and kind of query that the library has vectors of.

    Raises:
        NotPublishedError: It has no index.
    """
    if published.index.is_exact:
        raise NotPublishedError("the published version has no index to tune; publish with --index hnsw")
    has = {"caption": published.english_captions + published.chinese_captions, "appearance": published.views}
    has |= {"text": has["caption"], "image": has["appearance"]}
    pairs = [(target, kind) for target in TARGETS for kind in QUERY_KINDS if has[target] and has[kind]]
    return [Tuner(library, published, target, kind, count) for target, kind in pairs]


def _moved(vectors: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
    random = np.random.default_rng(0)
    noise = random.normal(size=vectors.shape) / np.sqrt(vectors.shape[1])
    moved = vectors + NOISE * noise
    return list((moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32))
