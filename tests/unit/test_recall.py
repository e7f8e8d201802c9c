"""Recall and its bounds: against other ways of computing them, and against chance itself."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from meshseek.model import Ranked
from meshseek.search.recall import Recall, mean_at_least, recall_of, share_at_most


def ranking(**scores: float) -> list[Ranked]:
    """Assets with their scores."""
    return [Ranked(asset_id=name, score=score) for name, score in scores.items()]


@pytest.mark.parametrize(("count", "trials"), [(0, 10), (0, 1000), (1, 100), (5, 500), (9, 10), (70, 100)])
def test_the_bound_of_a_share(count: int, trials: int) -> None:
    """With that share, so few or fewer are seen one time in twenty; with none lost it has a form of its own."""
    share = Fraction(share_at_most(count, trials))
    chances = (math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(count + 1))
    assert float(sum(chances)) == pytest.approx(0.05, abs=1e-9)
    if not count:
        assert share_at_most(0, trials) == pytest.approx(1 - 0.05 ** (1 / trials), abs=1e-9)


def test_all_may_be_lost() -> None:
    """Where all were, nothing less than all is sure."""
    assert share_at_most(10, 10) == 1


@pytest.mark.parametrize("share", [0.002, 0.1])
def test_the_bounds_hold_as_often_as_they_say(share: float) -> None:
    """Of many samples that are drawn, at most a twentieth has a bound on the wrong side of the truth."""
    random = np.random.default_rng(0)
    lost = random.binomial(1000, share, size=2000)
    bounds = {count: share_at_most(count, 1000) for count in set(lost.tolist())}
    assert np.mean([bounds[count] < share for count in lost.tolist()]) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    values = random.choice([0.0, 0.8, 0.9, 1.0], p=[share / 10, share, share, 1 - 2.1 * share], size=(2000, 1000))
    truth = 1 - share / 10 - 0.3 * share
    missed = [mean_at_least(mean, 1000) > truth for mean in values.mean(axis=1).tolist()]
    assert np.mean(missed) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_the_tail_is_told() -> None:
    """A mean of .97 with three of a hundred queries lost says so."""
    recall = Recall.of([1.0] * 97 + [0.0, 0.0, 0.4])
    assert (recall.share_lost, recall.worst, recall.queries) == (0.03, 0.0, 100)
    assert recall.mean == pytest.approx(0.974)
    assert 0.9 < recall.mean_at_least < recall.mean
    assert 0.03 < recall.lost_at_most < 0.09


def test_half_is_not_lost() -> None:
    """Less than half is."""
    assert Recall.of([0.5, 0.4]).share_lost == 0.5


def test_the_best_of_many_settings_is_trusted_less() -> None:
    """The more were tried, the wider the bounds; the share after none lost of 1,000 is that of a twentieth of .05."""
    one, many = Recall.of([1.0] * 999 + [0.9]), Recall.of([1.0] * 999 + [0.9], tried=20)
    assert many.lost_at_most == pytest.approx(1 - 0.0025 ** (1 / 1000), abs=1e-9)
    assert many.lost_at_most > one.lost_at_most
    assert many.mean_at_least < one.mean_at_least
    assert (many.mean, many.share_lost, many.worst) == (one.mean, one.share_lost, one.worst)


def test_what_is_found() -> None:
    """By its id, wherever it stands."""
    exact = ranking(a=0.9, b=0.8, c=0.7, d=0.6)
    assert recall_of(ranking(b=0.8, a=0.9, x=0.5), exact) == 0.5
    assert recall_of([], exact) == 0
    assert recall_of(ranking(a=1), []) == 1


def test_a_copy_of_the_last_one_is_as_good() -> None:
    """Another asset counts that is as near as the last of the exact answer, but no more than there are answers."""
    exact = ranking(a=0.9, b=0.8)
    assert recall_of(ranking(a=0.9, copy=0.8), exact) == 1
    assert recall_of(ranking(a=0.9, other=0.7999), exact) == 0.5
    assert recall_of(ranking(a=0.9, b=0.8, copy=0.8), exact) == 1
