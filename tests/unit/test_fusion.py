"""Reciprocal-rank fusion."""

from __future__ import annotations

import pytest

from meshseek.model import Hit
from meshseek.search.fusion import fuse


def hit(asset_id: str, score: float = 0.5, viewpoint_id: int | None = None) -> Hit:
    """A hit of which only these parts matter."""
    return Hit(
        asset_id=asset_id,
        score=score,
        viewpoint_id=viewpoint_id,
        thumbnail=viewpoint_id,
        caption_english=None,
        caption_chinese=None,
        model=None,
        attributes={},
    )


def test_the_score_is_the_sum_of_reciprocal_ranks() -> None:
    """What two rankings agree on comes first; the cosines do not count."""
    fused = fuse([[hit("a", 0.99), hit("b", 0.1), hit("c", 0.1)], [hit("b", 0.2), hit("d", 0.9)]])

    assert [found.asset_id for found in fused] == ["b", "a", "d", "c"]
    assert [found.score for found in fused] == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 63])


def test_ties_are_broken_by_id() -> None:
    """Two assets with the same ranks stand in the order of their ids, whichever came first."""
    assert [found.asset_id for found in fuse([[hit("b"), hit("a")], [hit("a"), hit("b")]])] == ["a", "b"]


def test_the_viewpoint_of_the_first_ranking_is_kept() -> None:
    """Captions know no viewpoint and do not wipe out the one that the views gave."""
    (fused,) = fuse([[hit("a", viewpoint_id=7)], [hit("a")]])
    assert (fused.viewpoint_id, fused.thumbnail) == (7, 7)


def test_one_ranking_keeps_its_order() -> None:
    """Nothing to fuse changes nothing but the score."""
    assert [found.asset_id for found in fuse([[hit("b"), hit("a")], []])] == ["b", "a"]
    assert fuse([]) == []
