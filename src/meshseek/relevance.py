"""How scores are to be read: what is close enough to fit, told from the library itself.

A cosine alone says little: of some models all cosines are high, and some queries are near everything. So closeness is

* for words with captions, how the cosine compares with that of the nearest of many everyday words: a query that is much
  nearer to a word than to any asset means something that is not here;
* else the standard score: by how many deviations a cosine stands out of what the same query gives for assets taken at
  random.

From which closeness on an asset fits is learnt when a library is published, for each language by itself, from queries
that are known to have something: names of things that stand in the library's texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshseek.model import Relevance

DENIED = 0.16
"""The share of names that stand in the library's texts for which nothing may count as close. Many stand there by
accident, so of what people ask for it is about a third."""
STRONG = 0.5
"""The share of them for which nothing is a strong result."""
SAME = 0.995
"""Cosine of views from which on two assets are taken for copies: exact copies reach 1 but for rounding (.999), while
two views of one asset are at most at .95, so different assets stay apart."""
LEAST = 0.05
"""Cosines with words below it are as good as none."""
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
    """Closeness of words and a caption, around 1 where the caption is as near as the nearest everyday word."""
    return cosine / max(nearest_word, LEAST)


def learn(closeness: Sequence[float]) -> Thresholds | None:
    """Thresholds from the closeness of the best asset for queries that have something; None from too few of them."""
    if len(closeness) < FEWEST:
        return None
    ordered = sorted(closeness)
    fair, strong = (ordered[int(share * len(ordered))] for share in (DENIED, STRONG))
    return Thresholds(fair=fair, strong=strong, queries=len(ordered))


def trust_in(found: float) -> float:
    """How much standard scores of the other kind of vector count, 0 to 1.

    Args:
        found: Mean reciprocal rank of assets' own views among those of others, asked for by their captions.
    """
    return min(1.0, max(0.0, found)) ** 2
