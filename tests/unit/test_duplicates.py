"""Assets that look the same, collapsed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meshseek.model import Hit
from meshseek.search.duplicates import SAME, collapse


def hit(number: int) -> Hit:
    """An asset of which only the id matters."""
    return Hit(
        asset_id=f"{number:03d}",
        score=1 - number / 1000,
        viewpoint_id=None,
        thumbnail=None,
        caption_english=None,
        caption_chinese=None,
        model=None,
        attributes={},
    )


LOOKS = st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=40)


def appearances(looks: list[int | None]) -> dict[str, np.ndarray]:
    """Unit vectors at right angles for the different looks."""
    return {f"{n:03d}": np.eye(6, dtype=np.float32)[look] for n, look in enumerate(looks) if look is not None}


@given(LOOKS)
def test_collapsing_loses_nothing(looks: list[int | None]) -> None:
    """Every asset is a hit or the duplicate of exactly one, and the hits keep their order."""
    ranking = [hit(number) for number in range(len(looks))]
    kept = collapse(ranking, appearances(looks))

    told = [asset_id for one in kept for asset_id in (one.asset_id, *one.duplicates)]
    assert sorted(told) == [one.asset_id for one in ranking]
    assert [one.asset_id for one in kept] == sorted(one.asset_id for one in kept)
    assert len(kept) == looks.count(None) + len({look for look in looks if look is not None})


@given(LOOKS, st.integers(0, 40))
def test_a_longer_ranking_begins_with_the_same_hits(looks: list[int | None], depth: int) -> None:
    """So pages never overlap, however deep the ranking is that they are cut from."""
    ranking = [hit(number) for number in range(len(looks))]
    short = [one.asset_id for one in collapse(ranking[:depth], appearances(looks))]
    whole = [one.asset_id for one in collapse(ranking, appearances(looks))]
    assert whole[: len(short)] == short


def test_alike_is_not_the_same() -> None:
    """Just below the bound two assets stay apart, just above it they are one."""
    for cosine, hits in ((SAME - 0.002, 2), (SAME + 0.002, 1)):
        other = np.array([cosine, np.sqrt(1 - cosine**2)], dtype=np.float32)
        looks = {"000": np.array([1, 0], dtype=np.float32), "001": other}
        assert len(collapse([hit(0), hit(1)], looks)) == hits
