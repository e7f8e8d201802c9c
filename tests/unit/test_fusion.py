"""Rankings that are joined by standard scores, against sums computed by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.model import Ranked
from meshseek.search.fusion import ALL_WORDS, OTHER_PART, Part, fuse
from meshseek.store.read.background import Scale


def part(name: str, scores: dict[str, float], scale: Scale | None = None, weight: float = 1.0) -> Part:
    """What one kind of vector says; its views are numbered by their assets' letters."""
    ranked = {
        asset_id: Ranked(asset_id=asset_id, score=score, viewpoint_id=ord(asset_id) if name == "appearance" else None)
        for asset_id, score in scores.items()
    }
    return Part(name=name, weight=weight, scale=scale, scores=ranked)


def ids(ranking: list[Ranked]) -> list[str]:
    """In their order."""
    return [ranked.asset_id for ranked in ranking]


def test_the_score_is_the_weighted_sum_of_standard_scores() -> None:
    """Each cosine counts by how far it stands out of its own scale, and as far as its part is trusted."""
    captions = part("caption", {"a": 0.5, "b": 0.4, "c": 0.3}, Scale(0.3, 0.1))
    views = part("appearance", {"a": 0.10, "b": 0.18, "c": 0.10}, Scale(0.10, 0.02), weight=0.5)
    fused = fuse([captions, views], set(), set())

    assert ids(fused) == ["b", "a", "c"]
    assert [found.score for found in fused] == pytest.approx([1 + 0.5 * 4, 2 + 0.5 * 0, 0], abs=1e-9)
    assert fused[0].parts == pytest.approx(
        {
            "caption": 0.4,
            "caption_standard": 1.0,
            "caption_weight": 1.0,
            "appearance": 0.18,
            "appearance_standard": 4.0,
            "appearance_weight": 0.5,
        }
    )


def test_what_stands_out_counts_and_not_its_rank() -> None:
    """One that is far ahead in one part wins over one that is just ahead in both others: ranks could not tell them."""
    first = part("caption", {"a": 0.9, "b": 0.41, "c": 0.40}, Scale(0.3, 0.1))
    second = part("appearance", {"a": 0.39, "b": 0.41, "c": 0.40}, Scale(0.3, 0.1))
    assert ids(fuse([first, second], set(), set())) == ["a", "b", "c"]


def test_a_part_without_a_scale_counts_by_its_cosines() -> None:
    """Where too few assets are there to tell what is usual."""
    fused = fuse([part("caption", {"a": 0.5, "b": 0.25}), part("appearance", {"a": 0.25, "b": 0.75})], set(), set())
    assert [(found.asset_id, found.score) for found in fused] == [("b", 1.0), ("a", 0.75)]


def test_a_missing_part_is_guessed_from_the_other() -> None:
    """Most of the standard score of what is there, of good and bad ones alike: less than if both agreed."""
    captions = part("caption", {"a": 0.5, "d": 0.1}, Scale(0.3, 0.1))
    views = part("appearance", {"b": 0.14, "c": 0.06}, Scale(0.10, 0.02), weight=0.5)
    fused = {found.asset_id: found for found in fuse([captions, views], set(), set())}

    assert {name: found.score for name, found in fused.items()} == pytest.approx(
        {
            "a": 2 + 0.5 * OTHER_PART * 2,
            "b": OTHER_PART * 2 + 0.5 * 2,
            "c": OTHER_PART * -2 + 0.5 * -2,
            "d": -2 + 0.5 * OTHER_PART * -2,
        }
    )
    assert 0 < OTHER_PART < 1
    assert set(fused["a"].parts) == {"caption", "caption_standard", "caption_weight", "appearance_instead"}
    assert fused["b"].parts["caption_instead"] == pytest.approx(OTHER_PART * 2)


def test_what_finds_nothing_stands_in_for_nothing() -> None:
    """Views that are not to be trusted do not lift an asset without captions above one whose caption fits."""
    captions = part("caption", {"a": 0.4}, Scale(0.3, 0.1))
    views = part("appearance", {"b": 0.17}, Scale(0.10, 0.02), weight=0.01)

    assert ids(fuse([captions, views], set(), set())) == ["a", "b"]
    views = part("appearance", {"b": 0.17}, Scale(0.10, 0.02), weight=0.5)
    assert ids(fuse([captions, views], set(), set())) == ["b", "a"]


def test_all_words_of_the_query_add_their_worth() -> None:
    """Some standard deviations, told in the parts; also to an asset that has no vectors at all."""
    captions = part("caption", {"a": 0.31, "b": 0.30}, Scale(0.3, 0.1))
    fused = fuse([captions], {"b", "z"}, set())

    assert ids(fused) == ["b", "z", "a"]
    assert [found.score for found in fused] == pytest.approx([ALL_WORDS, ALL_WORDS, 0.1])
    assert ["words" in found.parts for found in fused] == [True, True, False]
    assert fused[1].parts == {"words": ALL_WORDS}


def test_what_is_named_comes_first_whatever_its_score() -> None:
    """Several of them by their scores; they keep these and are marked."""
    captions = part("caption", {"a": 0.9, "b": 0.1, "c": 0.2}, Scale(0.3, 0.1))
    fused = fuse([captions], set(), {"b", "c"})

    assert ids(fused) == ["c", "b", "a"]
    assert [found.is_named for found in fused] == [True, True, False]
    assert [found.score for found in fused] == pytest.approx([-1, -2, 6])
    assert fuse([], set(), {"y"}) == [Ranked(asset_id="y", score=0.0, is_named=True)]


def test_fewer_are_the_first_of_all() -> None:
    """A limit cuts the same ranking, and a viewpoint of number 0 is one."""
    scale = Scale(0.0, 1.0)
    captions = part("caption", {name: number / 10 for number, name in enumerate("abcdef")}, scale)
    seen = Ranked(asset_id="f", score=0.2, viewpoint_id=0)
    views = Part(name="appearance", weight=0.5, scale=scale, scores={"f": seen})
    whole = fuse([captions, views], {"a"}, {"b"})

    assert fuse([captions, views], {"a"}, {"b"}, 3) == whole[:3]
    assert {found.asset_id: found.viewpoint_id for found in whole}["f"] == 0


def test_ties_are_broken_by_id() -> None:
    """Equal sums stand in the order of their ids, whichever came first and whichever part gave them."""
    scale = Scale(0.0, 1.0)
    for names in itertools.permutations("abc"):
        captions = part("caption", dict(zip(names, (0.5, 0.25, 0.25), strict=True)), scale)
        views = part("appearance", dict(zip(names, (0.25, 0.5, 0.5), strict=True)), scale)
        assert ids(fuse([captions, views], set(), set())) == ["a", "b", "c"]


def test_the_viewpoint_is_that_of_the_views() -> None:
    """Captions know no viewpoint and do not wipe out the one that the views gave."""
    views, captions = part("appearance", {"a": 0.5}), part("caption", {"a": 0.5, "b": 0.5})
    fused = fuse([captions, views], set(), set())
    assert {found.asset_id: found.viewpoint_id for found in fused} == {"a": ord("a"), "b": None}


def test_one_part_keeps_its_order() -> None:
    """Nothing to fuse changes nothing but the score; nothing at all is an empty ranking."""
    assert ids(
        fuse([part("caption", {"b": 0.5, "a": 0.4}, Scale(0.3, 0.1)), part("appearance", {})], set(), set())
    ) == [
        "b",
        "a",
    ]
    assert fuse([], set(), set()) == []


COSINES = st.dictionaries(st.sampled_from("abcdef"), st.floats(-1, 1, width=16))


@given(COSINES, COSINES, st.floats(0.1, 10), st.floats(-1, 1))
def test_the_scale_of_a_model_does_not_matter(
    captions: dict[str, float], views: dict[str, float], stretch: float, shift: float
) -> None:
    """Cosines of another model, all higher or further apart, give the same scores with the scale that fits them."""
    scale = Scale(0.25, 0.125)
    moved = {name: stretch * score + shift for name, score in views.items()}
    moved_scale = Scale(stretch * 0.25 + shift, stretch * 0.125)
    rankings = [
        {found.asset_id: found.score for found in fuse([part("caption", captions, scale), other], set(), set())}
        for other in (part("appearance", views, scale), part("appearance", moved, moved_scale))
    ]
    assert rankings[0] == pytest.approx(rankings[1], abs=1e-6)
