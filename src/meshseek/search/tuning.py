"""Finds the cheapest way of asking an index that still finds what comparing with everything finds, for every query."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from meshseek.errors import NotPublishedError
from meshseek.model import Ranked
from meshseek.search.ladder import ladder_of
from meshseek.search.modes import MODES, TIERS
from meshseek.search.question import Question
from meshseek.search.recall import LOST, Recall, recall_of
from meshseek.search.sampled import Queries
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import (
    CAPTION_COLUMNS,
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
AS_GOOD = 0.001
"""What is kept where no breadth reaches the goal is as good as the widest: it loses no more queries, and finds less by
so much at most."""
HARDEST = 100
"""Queries that these are compared by."""
TIMED = 100
"""Queries that a breadth is timed with, each asked for the first time."""
SLOWER = 1.2
"""A larger ``ef`` that is so much slower than the best, whatever it saves elsewhere, ends the climb."""
VERIFIED = 5
"""Times that a breadth is chosen by the hard queries, and looked at with all of them."""
ROUNDING = 1e-9
KEPT_BACK = 0.5
"""Of what may be missed: other queries are harder than those that a breadth was chosen by, and so are pictures that are
not the library's own."""
NEARLY_LOST = LOST + 0.1 - ROUNDING
"""A query that finds less counts as lost, for the same reason."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a breadth has to reach, on the queries that are measured.

    Args:
        recall: Mean share of the exact ten that is found.
        lost: Share of queries that may find less than half of them.
        more: Whether to ask for more than that, for the sake of queries that are not measured.
    """

    recall: float
    lost: float = 0.0
    more: bool = True

    def is_reached(self, values: Sequence[float]) -> bool:
        """Whether the recall of each query is good enough."""
        lost = sum(map(self.is_lost, values))
        return fmean(values) >= 1 - self.may_miss - ROUNDING and lost <= self.lost * len(values) + ROUNDING

    @property
    def may_miss(self) -> float:
        """Share of the exact ten that may be missed in the mean."""
        return (KEPT_BACK if self.more else 1) * (1 - self.recall)

    def is_lost(self, value: float) -> bool:
        """Whether a query of such a recall counts as lost."""
        return value < (NEARLY_LOST if self.more else LOST)


class Tuner:
    """Tunes one target for one kind of query.

    Every breadth is measured on the same queries. The narrowest one is asked all of them, and shows which are hard.
    Others are asked these, the hardest first, and left as soon as they can no longer reach the goal: most are, after a
    few queries. Whichever is chosen is asked all queries, and what is told of it is from that.

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
        self._ladder = ladder_of(published.index)
        self._fresh = queries.fresh()
        self._missed = np.zeros(len(queries.compared))
        """How much of each query's answer was missed, by all breadths together."""
        self._whole: dict[Breadth, list[float]] = {}
        """Recall of every query."""
        self._tried: set[Breadth] = set()

    @property
    def steps(self) -> int:
        """How often :meth:`tune` tells that it has come further, at most, for each time that it climbs."""
        return len(self._ladder.efs)

    def tune(self, goal: Goal, tell: Callable[[int], None] = lambda _: None) -> Tuning:
        """The cheapest breadth on the ladder that reaches the goal.

        Where none does, the cheapest of a few that is as good as the widest; the tuning says that it is not reached.

        Args:
            goal: Of every measured breadth.
            tell: Called with 1 after each step of the ladder.
        """
        self._all(self._ladder.narrowest)
        enough = self._reaching(goal, tell) or self._reaching(replace(goal, more=False), tell)
        breadth = self._ladder.kept(enough) if enough else self._instead()
        recall = Recall.of(self._all(breadth), len(self._tried))
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
            p50_ms=self._p50_ms(breadth),
            queries=recall.queries,
            tuned_at=datetime.now(UTC),
        )

    def _reaching(self, goal: Goal, tell: Callable[[int], None]) -> Breadth | None:
        """The cheapest breadth that all queries agree to; one that finds less than the narrowest teaches hard ones."""
        for _ in range(VERIFIED):
            breadth = self._cheapest(goal, tell)
            if breadth is None or goal.is_reached(self._all(breadth)):
                return breadth
        return None

    def _cheapest(self, goal: Goal, tell: Callable[[int], None]) -> Breadth | None:
        """For each ``ef`` the fewest candidates that are enough; of these the fastest."""
        best: tuple[float, Breadth] | None = None
        steps = self._ladder.candidates
        fewest = steps[-1] + 1
        for ef in self._ladder.efs:
            enough: Breadth | None = None
            for candidates in reversed([step for step in steps if step <= ef and step < fewest]):
                if not self._is_enough(Breadth(ef, candidates), goal):
                    break
                enough, fewest = Breadth(ef, candidates), candidates
            tell(1)
            if enough is not None:
                p50_ms = self._p50_ms(enough)
                if best is not None and p50_ms > SLOWER * best[0]:
                    break
                if best is None or p50_ms < best[0]:
                    best = (p50_ms, enough)
            if fewest == steps[0]:
                break
        return None if best is None else best[1]

    def _is_enough(self, breadth: Breadth, goal: Goal) -> bool:
        """Whether the hard queries find enough for all queries to reach the goal."""
        self._tried.add(breadth)
        if breadth in self._whole:
            return goal.is_reached(self._whole[breadth])
        count = len(self._exact)
        may_miss, may_lose = goal.may_miss * count + ROUNDING, goal.lost * count + ROUNDING
        for place in self._hard():
            value = self._value(place, breadth)
            may_miss -= 1 - value
            may_lose -= goal.is_lost(value)
            if may_miss < 0 or may_lose < 0:
                return False
        return True

    def _instead(self) -> Breadth:
        """What is kept where nothing reaches the goal, by the hardest queries."""
        breadths = self._ladder.instead
        self._tried.update(breadths)
        hardest = self._hard()[:HARDEST]
        found = [[self._value(place, breadth) for place in hardest] for breadth in breadths]
        least = sum(found[-1]) - AS_GOOD * len(self._exact)
        most_lost = sum(value < LOST for value in found[-1])
        as_good = (
            breadth
            for breadth, values in zip(breadths, found, strict=True)
            if sum(values) >= least and sum(value < LOST for value in values) <= most_lost
        )
        return next(as_good)

    def _hard(self) -> list[int]:
        """The queries that any breadth missed something of, the hardest first."""
        order = np.argsort(-self._missed, kind="stable")
        return [int(place) for place in order if self._missed[place] > 0]

    def _all(self, breadth: Breadth) -> list[float]:
        """The recall of every query."""
        self._tried.add(breadth)
        if breadth not in self._whole:
            self._whole[breadth] = [self._value(place, breadth) for place in range(len(self._exact))]
        return self._whole[breadth]

    def _value(self, place: int, breadth: Breadth) -> float:
        """The recall of one query."""
        value = recall_of(self._ask(self._queries.compared[place], breadth), self._exact[place])
        self._missed[place] += 1 - value
        return value

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
            raise NotPublishedError("the published version has no index to tune; publish with --index codes or hnsw")
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
