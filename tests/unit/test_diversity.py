"""Neighbours that differ: what is almost equal does not stand together, and nothing is lost."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from meshseek.model import Ranked
from meshseek.search.diversity import DEPTH, PENALTY, POWER, diversified

Vectors = dict[str, NDArray[np.float32]]


def ranking_of(scores: list[float], named: int = 0) -> list[Ranked]:
    """Assets in the order of their numbers, of which the first ones are named."""
    return [
        Ranked(asset_id=f"{number:04d}", score=score, is_named=number < named) for number, score in enumerate(scores)
    ]


def ids(ranking: list[Ranked]) -> list[int]:
    """The numbers, in their order."""
    return [int(ranked.asset_id) for ranked in ranking]


def at_right_angles(kinds: list[int]) -> Vectors:
    """Unit vectors: equal for assets of one kind, else like nothing."""
    axes = np.eye(max(kinds) + 1, dtype=np.float32)
    return {f"{number:04d}": axes[kind] for number, kind in enumerate(kinds)}


def test_equal_ones_are_taken_apart() -> None:
    """Of three equal chairs the second and third give way to what is almost as good and differs."""
    ranking = ranking_of([1.0, 0.99, 0.98, 0.9, 0.8, 0.0])
    assert ids(diversified(ranking, at_right_angles([0, 0, 0, 1, 2, 3]))) == [0, 3, 4, 1, 2, 5]


def test_the_order_is_that_of_marginal_relevance() -> None:
    """By hand: score between the best and the last, less the penalty for the likeness with what was taken."""
    cosine = 0.9
    vectors = {
        "0000": np.array([1, 0], dtype=np.float32),
        "0001": np.array([cosine, np.sqrt(1 - cosine**2)], dtype=np.float32),
        "0002": np.array([0, 1], dtype=np.float32),
        "0003": np.array([0, -1], dtype=np.float32),
    }
    costs = PENALTY * cosine**POWER
    # The third is like nothing that was taken, and stands about as high as the second has left.
    values = [7.0, 5 + 2 * 0.9, 5 + 2 * (0.9 - costs), 5.0]
    for shift, expected in ((-0.01, [0, 1, 2, 3]), (0.01, [0, 2, 1, 3])):
        moved = [*values[:2], values[2] + shift, values[3]]
        assert ids(diversified(ranking_of(moved), vectors)) == expected


def test_those_that_differ_anyway_stay() -> None:
    """Where no two are alike the ranking is as it was; opposite ones are not alike either."""
    ranking = ranking_of([0.9, 0.5, 0.4, 0.1])
    assert diversified(ranking, at_right_angles([0, 1, 2, 3])) == ranking
    opposite = {name: (-1) ** number * vector for number, (name, vector) in enumerate(at_right_angles([0] * 4).items())}
    assert ids(diversified(ranking, opposite))[:2] == [0, 1]


def test_what_is_named_stays_before_all_others() -> None:
    """Also where it is equal to what was taken, and whatever its score."""
    ranking = ranking_of([0.1, 0.05, 0.9, 0.8], named=2)
    assert ids(diversified(ranking, at_right_angles([0, 0, 0, 1]))) == [0, 1, 3, 2]


def test_what_is_named_differs_among_itself() -> None:
    """Thirty assets of one name are no page of copies either."""
    ranking = ranking_of([1.0, 0.99, 0.98, 0.97, 0.5], named=4)
    assert ids(diversified(ranking, at_right_angles([0, 0, 0, 1, 0]))) == [0, 3, 1, 2, 4]


def test_the_tail_is_not_touched() -> None:
    """What stands after the first hundred stays where it is, with vectors or without."""
    ranking = ranking_of([1 - number / 1000 for number in range(DEPTH + 50)])
    found = diversified(ranking, at_right_angles([number // 2 for number in range(DEPTH + 50)]))
    assert found[DEPTH:] == ranking[DEPTH:]
    assert found[:DEPTH] != ranking[:DEPTH]
    assert sorted(ids(found)) == ids(ranking)


@pytest.mark.parametrize("count", [1, 2, DEPTH, 1000])
def test_equal_assets_keep_their_order(count: int) -> None:
    """A thousand copies with one and the same score have nothing to choose between."""
    ranking = ranking_of([0.5] * count)
    assert diversified(ranking, at_right_angles([0] * count)) == ranking


def test_nothing_and_what_is_not_known() -> None:
    """An empty ranking, one of which nothing is known, and an asset that is like none as it has no vector."""
    ranking = ranking_of([1.0, 0.99, 0.98, 0.0])
    assert diversified([], {}) == []
    assert diversified([], at_right_angles([0])) == []
    assert diversified(ranking, {}) == ranking
    known = at_right_angles([0, 0, 0, 1])
    del known["0002"]
    assert ids(diversified(ranking, known)) == [0, 2, 1, 3]


def test_what_fits_less_waits() -> None:
    """The fourth differs from all and fits less; it is taken once what stands before it and fits is."""
    ranking, vectors = ranking_of([1.0, 0.99, 0.98, 0.97, 0.5]), at_right_angles([0, 0, 0, 1, 0])
    assert ids(diversified(ranking, vectors)) == [0, 3, 1, 2, 4]
    assert ids(diversified(ranking, vectors, grades=[0, 0, 0, 1, 0])) == [0, 1, 2, 3, 4]
    assert ids(diversified(ranking, vectors, grades=[0, 1, 1, 1, 0])) == [0, 3, 1, 2, 4]


SCORES = st.lists(st.tuples(st.floats(-1, 1, width=16), st.integers(0, 3)), min_size=1, max_size=30)


@given(SCORES, st.integers(0, 3))
def test_nothing_is_lost_and_the_best_stays_first(assets: list[tuple[float, int]], named: int) -> None:
    """Whatever the scores: each asset once, unchanged, the named first, and the best of each kind in its order."""
    named = min(named, len(assets))
    ordered = [*sorted(assets[:named], reverse=True), *sorted(assets[named:], reverse=True)]
    ranking = ranking_of([score for score, _ in ordered], named)
    kinds = [kind for _, kind in ordered]
    found = diversified(ranking, at_right_angles(kinds))
    assert sorted(found, key=lambda ranked: ranked.asset_id) == ranking
    assert found[0] == ranking[0]
    assert set(ids(found)[:named]) == set(range(named))
    for kind in range(4):
        own = [number for number in ids(found) if kinds[number] == kind]
        assert own == sorted(own)


@given(SCORES, st.lists(st.integers(0, 2), min_size=30, max_size=30), st.integers(1, 30))
def test_nothing_comes_before_what_fits_better_and_stood_before_it(
    assets: list[tuple[float, int]], grades: list[int], count: int
) -> None:
    """Whatever is alike, and of however many places; nothing is lost."""
    ordered, grades = sorted(assets, reverse=True), grades[: len(assets)]
    ranking = ranking_of([score for score, _ in ordered])
    places = ids(diversified(ranking, at_right_angles([kind for _, kind in ordered]), count, grades))
    assert sorted(places) == [*range(len(assets))]
    for earlier, later in combinations(places, 2):
        assert earlier < later or grades[earlier] <= grades[later]
