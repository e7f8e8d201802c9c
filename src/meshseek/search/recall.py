"""Recall told with its tail: its mean, the share of queries that are lost, the worst one, and how sure all that is.

A mean hides what users notice: of a hundred queries three may find nothing right while the mean says .96.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Final

from meshseek.model import Ranked

LOST: Final = 0.5
"""A query that finds less than this share of the exact answer is lost."""
CONFIDENCE: Final = 0.95
AS_NEAR: Final = 1e-5
"""What is so near to the last of the exact answer is as good as that: cosines of halves say no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What was measured over some queries."""

    mean: float
    mean_at_least: float
    """A lower bound of the mean over all such queries."""
    share_lost: float
    """Of the queries that were asked."""
    lost_at_most: float
    """An upper bound of the share over all such queries."""
    worst: float
    queries: int

    @classmethod
    def of(cls, values: Sequence[float], tried: int = 1) -> Recall:
        """From the recall of each query.

        Args:
            values: At least one, each between 0 and 1.
            tried: The best of so many settings is told, each of which was measured on the same queries. The bounds hold
                for all of them together (Bonferroni), so whichever was chosen, luck is no part of it.
        """
        lost, sure = sum(value < LOST for value in values), 1 - (1 - CONFIDENCE) / tried
        return cls(
            mean=fmean(values),
            mean_at_least=mean_at_least(fmean(values), len(values), sure),
            share_lost=lost / len(values),
            lost_at_most=share_at_most(lost, len(values), sure),
            worst=min(values),
            queries=len(values),
        )


def recall_of(hits: Iterable[Ranked], exact: Sequence[Ranked]) -> float:
    """The share of an exact answer, best first, that was found; 1 where there is nothing to find.

    Another asset that is as near as the last of the exact answer counts as found: which of several copies is shown says
    nothing about an index.
    """
    if not exact:
        return 1.0
    ids, least = {each.asset_id for each in exact}, exact[-1].score - AS_NEAR
    found = {hit.asset_id for hit in hits if hit.asset_id in ids or hit.score >= least}
    return min(len(found), len(exact)) / len(exact)


def share_at_most(count: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The one-sided upper bound of a share after ``count`` of ``trials``: exact, from the binomial distribution.

    The largest share of which so few would still be seen with a probability of ``1 - confidence``
    (Clopper and Pearson, 1934). With none of 1,000 it is .3 %.
    """
    if count >= trials:
        return 1.0
    low, high = count / trials, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if _at_most(count, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def mean_at_least(mean: float, count: int, confidence: float = CONFIDENCE) -> float:
    """A one-sided lower bound of the mean of values between 0 and 1: Wilson's (1927), which is that of a share.

    Of all such values with one mean, those that are 0 or 1 vary most, so for others it is rather too low.
    """
    z = NormalDist().inv_cdf(confidence)
    spread = z**2 / count
    half = z * math.sqrt(max(0.0, mean * (1 - mean)) / count + spread / count / 4)
    return max(0.0, (mean + spread / 2 - half) / (1 + spread))


def _at_most(count: int, trials: int, share: float) -> float:
    """The probability of at most so many successes."""
    logs = (
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        + k * math.log(share) + (trials - k) * math.log1p(-share)
        for k in range(count + 1)
    )  # fmt: skip
    return sum(map(math.exp, logs))
