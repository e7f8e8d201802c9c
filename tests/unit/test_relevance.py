"""How scores are to be read: thresholds that are learnt, and trust."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.relevance import DENIED, FEWEST, LEAST, STRONG, Thresholds, caption_closeness, learn, trust_in

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
    """The same cosine is less where the query is nearer to a word; tiny cosines with words are as good as none."""
    assert caption_closeness(0.5, 0.5) == pytest.approx(1)
    assert caption_closeness(0.5, 0.9) < caption_closeness(0.5, 0.3) < caption_closeness(0.6, 0.3)
    assert caption_closeness(0.5, 0.0) == caption_closeness(0.5, -0.5) == caption_closeness(0.5, LEAST)


def test_nothing_is_learnt_from_few_queries() -> None:
    """Fewer than ten say nothing."""
    assert learn([1.0] * (FEWEST - 1)) is None
    assert learn([]) is None
    assert learn([1.0] * FEWEST) == Thresholds(fair=1.0, strong=1.0, queries=FEWEST)


def test_thresholds_stand_where_the_queries_are() -> None:
    """By hand, of a hundred queries: so many are denied, and so many have nothing strong."""
    here = [0.5 + number / 100 for number in range(100)]
    learnt = learn(here)
    assert learnt is not None
    assert sum(value < learnt.fair for value in here) == int(DENIED * 100)
    assert sum(value < learnt.strong for value in here) == int(STRONG * 100)
    assert learnt.queries == 100


@given(CLOSENESS)
def test_what_is_there_is_seldom_denied(here: list[float]) -> None:
    """Whatever the scores: no more than that share of what is there is weak, and the best of it is strong."""
    learnt = learn(here)
    assert learnt is not None
    assert learnt.fair <= learnt.strong
    told = [learnt.relevance(value) for value in here]
    assert told.count("weak") <= DENIED * len(here)
    assert learnt.relevance(max(here)) == "strong"
    assert learn(list(reversed(here))) == learnt


def test_trust_goes_from_nothing_to_all() -> None:
    """Where captions never find their own views nothing, where they always do everything; between them it rises."""
    trusts = [trust_in(number / 10) for number in range(11)]
    assert (trusts[0], trusts[-1]) == (0, 1)
    assert trusts == sorted(set(trusts))
    assert (trust_in(-1), trust_in(2)) == (0, 1)
