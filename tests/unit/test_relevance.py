"""How scores are to be read: thresholds that are learnt, and trust."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.model import RELEVANCES
from meshseek.relevance import CAPTION_WEIGHT, DENIED, FEWEST, Thresholds, caption_closeness, learn, trust_in

THRESHOLDS = Thresholds(fair=0.25, strong=0.5, queries=20)
CLOSENESS = st.lists(st.floats(-5, 5, width=32), min_size=FEWEST, max_size=60)


@pytest.mark.parametrize(
    ("closeness", "relevance"),
    [(-9.0, "weak"), (0.2499, "weak"), (0.25, "fair"), (0.4999, "fair"), (0.5, "strong"), (9.0, "strong")],
)
def test_a_threshold_belongs_to_what_is_above_it(closeness: float, relevance: str) -> None:
    """Just below it something fits less."""
    assert THRESHOLDS.relevance(closeness) == relevance


def test_a_word_that_is_nearer_takes_away() -> None:
    """The same cosine is less where the query is nearer to a word that is not here."""
    assert caption_closeness(0.5, 0.25) == pytest.approx(CAPTION_WEIGHT * 0.5 - 0.25)
    assert caption_closeness(0.5, 0.9) < caption_closeness(0.5, 0.3) < caption_closeness(0.6, 0.3)


def test_nothing_is_learnt_from_few_queries() -> None:
    """Fewer than ten with something for them say nothing, however many there are without."""
    assert learn([1.0] * (FEWEST - 1), [0.0] * 100) is None
    assert learn([], []) is None
    learnt = learn([1.0] * FEWEST, [])
    assert learnt == Thresholds(fair=1.0, strong=1.0, queries=FEWEST)


def test_thresholds_stand_where_the_queries_are() -> None:
    """By hand, of a hundred queries: few of those that have something are denied, half of them are strong."""
    here = [0.5 + number / 100 for number in range(100)]
    learnt = learn(here, [])
    assert learnt is not None
    assert sum(value < learnt.fair for value in here) == int(DENIED * 100)
    assert learnt.strong == pytest.approx(0.995)
    assert learnt.queries == 100

    absent = [-1 + number / 100 for number in range(100)]
    lower = learn(here, absent)
    assert lower is not None
    assert -0.1 < lower.fair < learnt.fair
    assert sum(value >= lower.fair for value in absent) <= 6
    assert (lower.strong, lower.queries) == (learnt.strong, 200)


def test_few_queries_without_anything_for_them_are_not_asked() -> None:
    """They could be any."""
    here = [0.5 + number / 100 for number in range(100)]
    with_few, without = learn(here, [-9.0] * (FEWEST - 1)), learn(here, [])
    assert with_few is not None
    assert without is not None
    assert (with_few.fair, with_few.strong) == (without.fair, without.strong)


@given(CLOSENESS, st.one_of(st.just([]), CLOSENESS))
def test_what_is_there_is_seldom_denied(here: list[float], absent: list[float]) -> None:
    """Whatever the scores: at most a twentieth of what is there is weak, and the best of it is strong."""
    learnt = learn(here, absent)
    assert learnt is not None
    assert learnt.fair <= learnt.strong
    told = [learnt.relevance(value) for value in here]
    assert told.count("weak") <= DENIED * len(here)
    assert learnt.relevance(max(here)) in RELEVANCES[:2]
    assert learn(list(reversed(here)), list(reversed(absent))) == learnt


def test_trust_goes_from_nothing_to_all() -> None:
    """Where captions never find their own views nothing, where they always do everything; between them it rises."""
    trusts = [trust_in(number / 10) for number in range(11)]
    assert (trusts[0], trusts[-1]) == (0, 1)
    assert trusts == sorted(set(trusts))
    assert (trust_in(-1), trust_in(2)) == (0, 1)
