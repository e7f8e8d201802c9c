"""Finds the cheapest way of asking an index that still finds what comparing with everything finds, for every query."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from meshseek.errors import NotPublishedError
from meshseek.model import Ranked
from meshseek.search.modes import MODES, TIERS
from meshseek.search.question import Question
from meshseek.search.recall import LOST, Recall, recall_of
from meshseek.search.sampled import Queries
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import (
    CAPTION_COLUMNS,
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
WIDEST: Final = Breadth(MAX_EF, MAX_EF)
TIMED = 100
"""Queries that a breadth is timed with, each asked for the first time."""
SLOWER = 1.2
"""A wider search of the graph that is so much slower than the best, whatever it saves elsewhere, ends the climb."""
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Goal:
    """What a breadth has to reach, on the queries that are measured.

    Args:
        recall: Mean share of the exact ten that is found.
        lost: Share of queries that may find less than half of them.
    """

    recall: float
    lost: float = 0.0


class Tuner:
    """Tunes one target for one kind of query.

    Every breadth is measured on the same queries. Those that were missed before are asked first, and as soon as a
    breadth can no longer reach its goal it is left: most are, after a few queries, and the verdict is the same.
    Asking a query again is faster than asking it first, so times are taken on other queries, each asked once.

    Args:
        library: What is asked.
        published: Its live version.
        target: What is compared with.
        kind: Of the queries.
        queries: To be asked.
        exact: The exact answers of those that are compared, filled before anything is tuned.
    """

    def __init__(
        self,
        library: Library,
        published: Published,
        target: Target,
        kind: QueryKind,
        queries: Queries,
        exact: Sequence[Sequence[Ranked]],
    ) -> None:
        self._library, self._published, self.target, self.kind = library, published, target, kind
        self._queries, self._exact = queries, exact
        self._fresh = queries.fresh()
        self._missed = np.zeros(len(queries.compared))
        """How much of each query's answer was missed, by all breadths together."""
        self._tried = 0

    def tune(self, goal: Goal, tell: Callable[[int], None] = lambda _: None) -> Tuning:
        """The cheapest breadth on the ladder that reaches the goal.

        Where none does, the cheapest of those that are as good as the widest; the tuning says that it is not reached.

        Args:
            goal: Of every measured breadth.
            tell: Called with 1 after each step of the ladder.
        """
        chosen = self._cheapest(goal, tell)
        if chosen is None:
            values = self._recalls(WIDEST, Goal(0, 1))
            widest = Recall.of(values)
            instead = Goal(min(goal.recall, widest.mean), max(goal.lost, widest.share_lost))
            chosen = self._cheapest(instead, tell) or (WIDEST, values, self._p50_ms(WIDEST))
        breadth, values, p50_ms = chosen
        recall = Recall.of(values, self._tried)
        return Tuning(
            target=self.target,
            kind=self.kind,
            goal=goal.recall,
            lost_goal=goal.lost,
            ef=breadth.ef,
            candidates=breadth.candidates,
            recall=recall.mean,
            recall_at_least=recall.mean_at_least,
            share_lost=recall.share_lost,
            lost_at_most=recall.lost_at_most,
            worst=recall.worst,
            p50_ms=p50_ms,
            queries=recall.queries,
            tuned_at=datetime.now(UTC),
        )

    def _cheapest(self, goal: Goal, tell: Callable[[int], None]) -> tuple[Breadth, list[float], float] | None:
        """For each size of the graph's search the fewest candidates that are enough; of these the fastest."""
        best: tuple[Breadth, list[float], float] | None = None
        fewest = LADDER[-1] + 1
        for ef in LADDER:
            reached: tuple[Breadth, list[float]] | None = None
            for candidates in reversed([step for step in LADDER if step <= ef and step < fewest]):
                values = self._recalls(Breadth(ef, candidates), goal)
                if not values:
                    break
                reached, fewest = (Breadth(ef, candidates), values), candidates
            tell(1)
            if reached is not None:
                p50_ms = self._p50_ms(reached[0])
                if best is not None and p50_ms > SLOWER * best[2]:
                    break
                if best is None or p50_ms < best[2]:
                    best = (*reached, p50_ms)
            if fewest == LADDER[0]:
                break
        return best

    def _recalls(self, breadth: Breadth, goal: Goal) -> list[float]:
        """The recall of each query that is compared; none of them where the goal is missed."""
        self._tried += 1
        count = len(self._queries.compared)
        may_miss, may_lose = (1 - goal.recall) * count + ROUNDING, goal.lost * count + ROUNDING
        values = np.ones(count)
        for place in np.argsort(-self._missed, kind="stable"):
            value = recall_of(self._ask(self._queries.compared[place], breadth), self._exact[place])
            values[place] = value
            self._missed[place] += 1 - value
            may_miss -= 1 - value
            may_lose -= value < LOST
            if may_miss < 0 or may_lose < 0:
                return []
        return [float(value) for value in values]

    def _p50_ms(self, breadth: Breadth) -> float:
        times = []
        for vector in islice(self._fresh, TIMED):
            started = time.perf_counter()
            self._ask(vector, breadth)
            times.append(1000 * (time.perf_counter() - started))
        return median(times)

    def _ask(self, vector: NDArray[np.float32], breadth: Breadth) -> list[Ranked]:
        query_type: QueryType = "image" if self.kind == "image" else "english"
        question = Question.of(self._published, vector, query_type)
        request = Request(limit=TIERS[0], breadth=breadth)
        return MODES.load(self.target)().rank(self._library, question, request)[:DEPTH]


class Tuners:
    """A tuner for each target and kind of query that the library has vectors of.

    Args:
        library: What is asked.
        published: Its live version.
        count: Queries of each kind.

    Raises:
        NotPublishedError: It has no index.
    """

    def __init__(self, library: Library, published: Published, count: int) -> None:
        if published.index.is_exact:
            raise NotPublishedError("the published version has no index to tune; publish with --index hnsw")
        captions = max(published.english_captions, published.chinese_captions)
        self._vectors: dict[Target, int] = {"caption": captions, "appearance": published.views}
        has = {"text": captions, "image": published.views}
        self._library, self._published = library, published
        self._queries = {kind: Queries(library, published, kind, count) for kind in QUERY_KINDS if has[kind]}
        self._answers: dict[Target, list[list[Ranked]]] = {target: [] for target in TARGETS if self._vectors[target]}

    def __len__(self) -> int:
        """About how many vectors :meth:`compare` reads."""
        return sum(self._vectors.values())

    def compare(self) -> Iterator[int]:
        """Find the exact answers of all queries; each step gives how many vectors were compared.

        Raises:
            VersionChangedError: Another version went live meanwhile.
        """
        asked = np.concatenate([queries.compared for queries in self._queries.values()])
        exact = self._library.exact_answers(self._published, asked, DEPTH)
        for target, answers in self._answers.items():
            yield from exact.by(target, CAPTION_COLUMNS["english"], answers)

    def __iter__(self) -> Iterator[Tuner]:
        """The tuners, once all was compared."""
        for target, answers in self._answers.items():
            start = 0
            for kind, queries in self._queries.items():
                end = start + len(queries.compared)
                yield Tuner(self._library, self._published, target, kind, queries, answers[start:end])
                start = end
