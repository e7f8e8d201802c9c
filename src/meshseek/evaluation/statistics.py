"""Means with 95 % intervals, and differences of means: by resampling the queries.

Shares of yes and no get at least Wilson's interval: near 0 and 1 resampling is too sure of itself, and of twenty hits
in twenty queries it would say that there can be no miss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEED = 13
RESAMPLES = 4_000
LEVEL = 0.95
_Z = 1.959964
"""Standard deviations to either side that hold 95 % of a normal distribution."""
_AT_ONCE = 4_000_000
"""Counts in memory: resamples times queries."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def mean(values: Sequence[float]) -> Measured:
    """The mean of one value a query; percentiles of the means of queries drawn again with replacement.

    Args:
        values: At least one.
    """
    sample = np.asarray(values, dtype=np.float64)
    low, high = _percentiles(_resampled_means(sample))
    if np.isin(sample, (0.0, 1.0)).all():
        wilson_low, wilson_high = wilson(int(sample.sum()), len(sample))
        low, high = min(low, wilson_low), max(high, wilson_high)
    return Measured(value=float(sample.mean()), low=low, high=high)


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Measured:
    """The mean difference of two searches on the same queries, which are drawn together."""
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    low, high = _percentiles(_resampled_means(differences))
    return Measured(value=float(differences.mean()), low=low, high=high)


def difference(first: Measured, second: Measured) -> Measured:
    """The difference of two means over different queries, from the intervals of both (Zou and Donner, 2008)."""
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Measured(value=value, low=value - below, high=value + above)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's interval of a share (1927)."""
    share, spread = successes / trials, _Z**2 / trials
    middle = share + spread / 2
    half = _Z * math.sqrt(share * (1 - share) / trials + spread / trials / 4)
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def _resampled_means(sample: Values) -> Values:
    """Means of as many values, drawn with replacement: shape ``(RESAMPLES,)``, always the same for the same values."""
    generator = np.random.default_rng(SEED)
    size = len(sample)
    rows = max(1, min(RESAMPLES, _AT_ONCE // size))
    means = [
        sample[generator.integers(0, size, (min(rows, RESAMPLES - start), size))].mean(axis=1)
        for start in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(means)


def _percentiles(means: Values) -> tuple[float, float]:
    outside = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, (outside, 100 - outside))
    return float(low), float(high)
