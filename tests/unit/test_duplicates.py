"""Assets that look the same, collapsed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meshseek.model import Ranked
from meshseek.relevance import SAME
from meshseek.search.duplicates import collapse


def ranked(number: int) -> Ranked:
    """An asset of which only the id matters."""
    return Ranked(asset_id=f"{number:03d}", score=1 - number / 1000)


LOOKS = st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=40)


def appearances(looks: list[int | None]) -> dict[str, np.ndarray]:
    """Unit vectors at right angles for the different looks."""
    return {f"{n:03d}": np.eye(6, dtype=np.float32)[look] for n, look in enumerate(looks) if look is not None}


@given(LOOKS)
def test_collapsing_loses_nothing(looks: list[int | None]) -> None:
    """Every asset is kept or the duplicate of exactly one, and those that are kept stay in their order."""
    ranking = [ranked(number) for number in range(len(looks))]
    kept, copies = collapse(ranking, appearances(looks))

    told = [asset_id for one in kept for asset_id in (one.asset_id, *copies.get(one.asset_id, ()))]
    assert sorted(told) == [one.asset_id for one in ranking]
    assert copies.keys() <= {one.asset_id for one in kept}
    assert all(copies.values())
    assert all(list(names) == sorted(names) and names[0] > owner for owner, names in copies.items())
    assert all(one in ranking for one in kept)
    assert [one.asset_id for one in kept] == sorted(one.asset_id for one in kept)
    assert len(kept) == looks.count(None) + len({look for look in looks if look is not None})


@given(LOOKS, st.integers(0, 40))
def test_a_longer_ranking_begins_with_the_same_hits(looks: list[int | None], depth: int) -> None:
    """So pages never overlap, however deep the ranking is that they are cut from; only duplicates are added."""
    ranking = [ranked(number) for number in range(len(looks))]
    short, copies = collapse(ranking[:depth], appearances(looks))
    whole, more_copies = collapse(ranking, appearances(looks))
    assert whole[: len(short)] == short
    assert all(more_copies[owner][: len(names)] == names for owner, names in copies.items())


def test_alike_is_not_the_same() -> None:
    """Just below the bound two assets stay apart, just above it they are one."""
    for cosine, hits in ((SAME - 0.002, 2), (SAME + 0.002, 1)):
        other = np.array([cosine, np.sqrt(1 - cosine**2)], dtype=np.float32)
        looks = {"000": np.array([1, 0], dtype=np.float32), "001": other}
        kept, copies = collapse([ranked(0), ranked(1)], looks)
        assert (len(kept), copies) == (hits, {"000": ("001",)} if hits == 1 else {})


def test_nothing_is_collapsed_into_nothing() -> None:
    """An empty ranking, and assets of which none has views."""
    assert collapse([], {}) == ([], {})
    assert collapse([ranked(0), ranked(1)], {}) == ([ranked(0), ranked(1)], {})
