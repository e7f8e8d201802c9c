"""How scores are to be read: what is close enough to fit, told from the library itself.

A cosine alone says little: of some models all cosines are high, and some queries are near everything. So closeness is

* for words with captions, the cosine against that with the nearest of many everyday words (``1.5 * cosine - nearest``):
  where the query is nearer to a word that is not here than to any asset, it means something that is not here;
* else the standard score: by how many deviations a cosine stands out of what the same query gives for assets taken at
  random.

Above which closeness an asset fits is learnt when a library is published, from queries of which it is known whether
there is anything for them: everyday words that stand in the library's texts, and those that do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from meshseek.model import Relevance

CAPTION_WEIGHT = 1.5
"""Captions say more than a query does, so even the right one has a lower cosine than an equal word has."""
DENIED = 0.05
"""The share of queries with something for them that may be told that nothing is close."""
FEWEST = 10
"""From fewer queries nothing is learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From which closeness on an asset fits."""

    fair: float
    strong: float
    queries: int
    """That this was learnt from."""

    def relevance(self, closeness: float) -> Relevance:
        """How well an asset of some closeness fits."""
        if closeness >= self.strong:
            return "strong"
        return "fair" if closeness >= self.fair else "weak"


def caption_closeness(cosine: float, nearest_word: float) -> float:
    """Closeness of words and a caption."""
    return CAPTION_WEIGHT * cosine - nearest_word


def learn(here: Sequence[float], absent: Sequence[float]) -> Thresholds | None:
    """Thresholds from the closeness of the best asset for queries with and without anything for them.

    Args:
        here: Of queries that have something.
        absent: Of queries that have not; may hold a few that have, under other words.

    Returns:
        None where there are too few queries.
    """
    if len(here) < FEWEST:
        return None
    present = sorted(here)
    fair = present[int(DENIED * len(present))]
    if len(absent) >= FEWEST:
        fair = min(fair, quantiles(absent, n=20)[-1])
    return Thresholds(fair=fair, strong=max(fair, quantiles(present, n=4)[1]), queries=len(here) + len(absent))


def trust_in(found: float) -> float:
    """How much standard scores of the other kind of vector count, 0 to 1.

    Args:
        found: Mean reciprocal rank of assets' own views among those of others, asked for by their captions.
    """
    return min(1.0, max(0.0, found)) ** 2
