"""How a search is answered: by comparing everything, by comparing the few that pass, or by the graph.

The server's planner would not choose well: it knows neither how a filter goes with the content nor what a graph misses,
and thinks that comparing costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from meshseek.model import Condition
from meshseek.store.indexes import Index
from meshseek.store.read.published import MAX_EF, UNTUNED, Breadth, Target
from meshseek.store.read.statistics import Statistics

FEW = 15_000
"""Up to so many assets that pass a filter are compared one by one: 1.7 microseconds each, and nothing is missed."""
MANY = 0.25
"""Where so large a part of the library passes, the index finds enough of them nearby, whatever they have in common."""
VERY_FEW = 2_000
"""So many are compared faster than the index is asked."""
SPARE: Final[Mapping[Target, int]] = {"caption": 80, "appearance": 30}
"""Where fine codes rank assets, so many more are compared exactly than are asked for, by a caption or by all views. At
1,000,000 x 8 views, of the ten best of 150 words and 150 pictures none and .3 % are not among the 60 best by the codes
of their views; .3 and .8 % are not among 40. Of captions, .5 % are not among 50.
"""
WIDER = 4
"""So many times as many coarse codes are followed by fine ones, a quarter of a microsecond each."""
FILTERED = 2
"""So many times as many assets are ranked by their views where a filter goes with the content: those that pass are more
alike. As many as without one find 1 to 3 % less."""
MOST_COMPARED = 100_000
"""Up to so many are compared where the index has found too few; of more, what it has found must do."""

DEVIATIONS = 5
"""Of how many of the best of a library lie on one of several shards: it is wrong for one search in some millions."""

EVERYTHING: Final[Mapping[Target, str]] = {"caption": "captions_exact", "appearance": "views_exact"}
"""Queries that compare everything that passes."""
MATCHING: Final[Mapping[Target, str]] = {"caption": "captions_exact", "appearance": "views_of_matching"}
"""Queries for where few pass: of views, the centroids are compared first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which part of the ranking is wanted."""

    limit: int
    offset: int = 0
    conditions: tuple[Condition, ...] = ()
    exact: bool = False
    collapsed: bool = False
    """Assets that look the same count as one."""
    breadth: Breadth | None = None
    """How widely to ask; None for what was tuned."""
    among: int = 1
    """How many shards are asked the same, so that each tells only what it may have of the best of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A named query, how widely it is asked, and what is asked where it finds too few."""

    query: str
    ef: int
    """Nodes that a search of a graph keeps, or codes that are looked at more closely."""
    candidates: int
    """Assets that a first stage passes on."""
    by_codes: bool = False
    """Whether the candidates come from codes in memory."""
    compared: int = 0
    """Assets that are compared exactly of those whose views were ranked by their codes."""
    by_graph: bool = False
    """Whether the graph is to be followed, even where the server would rather sort the table."""
    fallback: str | None = None
    """The query that is asked instead where fewer than ``enough`` candidates were found."""
    enough: int = 0

    def on_one_of(self, shards: int) -> Plan:
        """The same for one of the shards that are asked: for as many as it may have of what all are asked for."""
        if shards == 1:
            return self
        return replace(
            self,
            ef=_part(self.ef, shards),
            candidates=_part(self.candidates, shards),
            compared=_part(self.compared, shards),
            enough=_part(self.enough, shards),
        )

    def then(self, candidates: int | None) -> str | None:
        """What to ask next, now that so many candidates were found; None where they are enough, or not counted."""
        return self.fallback if candidates is not None and candidates < self.enough else None


def make_plan(target: Target, index: type[Index], request: Request, statistics: Statistics) -> Plan:
    """Choose how to search.

    Args:
        target: What is compared.
        index: The kind that was published.
        request: What is asked for.
        statistics: What is known of its conditions.
    """
    breadth = (request.breadth or UNTUNED).for_depth(request.limit)
    by_index = {"caption": index.captions_query, "appearance": index.views_query}[target]

    by_graph = not (index.is_exact or index.has_codes)
    ef = min(MAX_EF, breadth.ef) if by_graph else breadth.ef
    asked = Plan(query=by_index, ef=ef, candidates=breadth.candidates, by_codes=index.has_codes, by_graph=by_graph)

    if request.exact:
        return replace(asked, query=EVERYTHING[target], by_graph=False, by_codes=False)
    if index.is_exact:
        return asked
    matching = statistics.matching(request.conditions)
    if index.has_codes:
        # Who has a phrase only the database knows, so it may as well compare them where they are few.
        few = statistics.assets <= VERY_FEW or (statistics.phrases is not None and matching <= VERY_FEW)
        return replace(asked, query=MATCHING[target], by_codes=False) if few else _by_codes(target, asked, request)
    if matching <= VERY_FEW or (request.conditions and matching <= min(FEW, MANY * statistics.assets)):
        return replace(asked, query=MATCHING[target], by_graph=False)
    if not request.conditions:
        return asked
    many = matching > MOST_COMPARED or (statistics.phrases is not None and statistics.phrases.assets > FEW)
    return replace(
        asked,
        # One wide search of the graph is faster than several narrow ones that each find too few that pass.
        ef=min(MAX_EF, breadth.ef + round(breadth.candidates * statistics.assets / matching)),
        # A scan of the index ends after so many tuples, which may be before enough of them pass the filter.
        fallback=MATCHING[target],
        enough=request.limit if many else breadth.candidates,
    )


def _by_codes(target: Target, asked: Plan, request: Request) -> Plan:
    """However few pass, they are found: where no more do than would be looked at, all of them are."""
    candidates = FILTERED * asked.candidates if request.conditions else asked.candidates
    ef, compared = WIDER * max(asked.ef, candidates), request.limit + SPARE[target]
    return replace(asked, ef=ef, candidates=candidates, compared=compared)


def _part(count: int, shards: int) -> int:
    """How many of so many lie on one shard at most, as they lie by chance."""
    mean = count / shards
    return min(count, math.ceil(mean + DEVIATIONS * math.sqrt(mean)))
