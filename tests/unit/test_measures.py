"""Measures of rankings and their intervals, against values computed by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from meshseek.evaluation.judged import JudgedQuery
from meshseek.evaluation.judging import Judgement
from meshseek.evaluation.measures import first_rank, ndcg, overlap, reciprocal_rank
from meshseek.evaluation.scores import score
from meshseek.evaluation.setting import Setting
from meshseek.evaluation.statistics import Measured, difference, mean, paired_difference, wilson
from meshseek.model import Hit
from meshseek.store.read.published import QueryType


def test_ranks() -> None:
    """The first relevant result counts; without one there is no rank, and nothing gained."""
    assert first_rank(["x", "a", "b"], {"a", "b"}) == 2
    assert reciprocal_rank(2) == 0.5
    assert first_rank(["x"], {"a"}) is None
    assert reciprocal_rank(None) == 0.0


@pytest.mark.parametrize(
    ("ranking", "relevant", "expected"),
    [
        (["a", "x", "b"], {"a", "b", "c"}, 0.7039180890341347),  # (1 + 1/2) / (1 + 1/log2 3 + 1/2)
        (["x", "a"], {"a"}, 0.6309297535714575),  # 1/log2 3
        (["a", "b"], {"a", "b"}, 1.0),
        (["a", "b", "c"], set("abcdefgh"), 1.0),  # only three results count, and all are relevant
        (["x", "y"], {"a"}, 0.0),
    ],
)
def test_ndcg(ranking: list[str], relevant: set[str], expected: float) -> None:
    """Gains are discounted by the logarithm of the rank, and divided by the best that was possible."""
    assert ndcg(ranking, relevant, 3) == pytest.approx(expected)


def test_ndcg_ends_at_its_depth() -> None:
    """What comes later gains nothing."""
    assert ndcg(["x", "y", "z", "a"], {"a"}, 3) == 0.0


def test_overlap() -> None:
    """The share of the true results that is there, in any order."""
    assert overlap(["b", "a", "x"], ["a", "b", "c", "d"]) == 0.5
    assert overlap([], []) == 1.0


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(59, 60, 0.9114, 0.9971), (20, 20, 0.8389, 1.0), (0, 20, 0.0, 0.1611), (5, 10, 0.2366, 0.7634)],
)
def test_wilson(successes: int, trials: int, low: float, high: float) -> None:
    """Against tables of Wilson's interval."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_the_bootstrap_is_that_of_all_resamples() -> None:
    """Its interval is near the percentiles of the means of all 6^6 ways to draw six values again."""
    values = [0.0, 0.2, 0.25, 0.5, 0.7, 1.0]
    means = np.array([sum(drawn) / 6 for drawn in product(values, repeat=6)])
    low, high = np.percentile(means, (2.5, 97.5))

    measured = mean(values)

    assert measured.value == pytest.approx(2.65 / 6)
    assert (measured.low, measured.high) == pytest.approx((low, high), abs=0.02)
    assert mean(values) == measured


def test_shares_are_not_too_sure_of_themselves() -> None:
    """Twenty hits of twenty may be worse than they look; of values that are no shares the bootstrap alone decides."""
    hits = mean([1.0] * 20)

    assert (hits.value, hits.low, hits.high) == pytest.approx((1.0, 0.8389, 1.0), abs=1e-4)
    assert mean([0.5] * 20) == Measured(value=0.5, low=0.5, high=0.5)


def test_many_values_are_resampled_in_parts() -> None:
    """The interval of 20,000 values is that of the normal distribution, though not all resamples fit at once."""
    values = np.random.default_rng(1).uniform(size=20_000)
    half = 1.96 * values.std() / np.sqrt(20_000)

    measured = mean(list(values))

    assert measured.low == pytest.approx(values.mean() - half, abs=2e-4)
    assert measured.high == pytest.approx(values.mean() + half, abs=2e-4)


def test_paired_differences_see_what_the_means_hide() -> None:
    """A small gain on every query is certain, however much the queries differ among themselves."""
    theirs = [number / 40 for number in range(40)]
    ours = [value + 0.01 + 0.001 * (number % 2) for number, value in enumerate(theirs)]

    found = paired_difference(ours, theirs)

    assert found.value == pytest.approx(0.0105)
    assert 0.01 < found.low < found.value < found.high < 0.011
    assert paired_difference(theirs, theirs) == Measured(value=0.0, low=0.0, high=0.0)


def test_the_difference_of_two_means() -> None:
    """From both intervals, by hand: .2 - sqrt(.1^2 + .08^2) and .2 + sqrt(.05^2 + .1^2)."""
    found = difference(Measured(value=0.9, low=0.8, high=0.95), Measured(value=0.7, low=0.6, high=0.78))

    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.071938, 0.311803), abs=1e-6)


FIRST = Hit(
    asset_id="a",
    score=1.0,
    viewpoint_id=None,
    thumbnail=None,
    caption_english=None,
    caption_chinese=None,
    model=None,
    attributes={},
)


def judged(line: int, query_type: QueryType, *, hit: bool) -> Judgement:
    """A query with one relevant asset, which came first or not at all."""
    return Judgement(
        query=JudgedQuery(source="lvis.csv", line=line, text="x"),
        query_type=query_type,
        relevant=frozenset(["a"]),
        hits=(FIRST,) if hit else (),
        exact=(),
        recall=1.0,
        told_absent=False,
    )


def test_parity_is_of_what_both_languages_are_asked() -> None:
    """English queries without a translation do not count; where none is asked in both, all do."""
    english = [judged(line, "english", hit=line > 10) for line in range(20)]
    paired = [judged(line, "chinese", hit=line > 11) for line in range(11, 20)]
    apart = [judged(100 + line, "chinese", hit=True) for line in range(10)]

    assert score(Setting(), [*english, *paired]).parity["hit_at_1"].value == pytest.approx(1 / 9)
    assert score(Setting(), [*english, *apart]).parity["hit_at_1"].value == pytest.approx(0.45 - 1)
    assert score(Setting(), english).parity == {}
