"""The best assets of many queries, gathered from blocks: the same as from all scores at once, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.store.read import best as module
from meshseek.store.read.best import Best


@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(1, 6),
    kept=st.integers(1, 8),
    blocks=st.lists(st.integers(0, 30), max_size=6),
    assets=st.integers(1, 40),
    steps=st.sampled_from([3, 1000]),
)
def test_it_is_what_sorting_everything_gives(
    seed: int, queries: int, kept: int, blocks: list[int], assets: int, steps: int
) -> None:
    """Whatever comes when, with vectors of one asset far apart, equal scores, and scores that are no numbers."""
    random = np.random.default_rng(seed)
    best = Best(queries, kept)
    every: list[dict[str, float]] = [{} for _ in range(queries)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WAITING", int(random.integers(1, 200)))
        for rows in blocks:
            ids = [f"asset {number:02}" for number in random.integers(assets, size=rows)]
            scores = (random.integers(steps, size=(rows, queries)) / steps).astype(np.float32)
            scores[random.random(scores.shape) < 0.05] = np.nan
            best.add(ids, scores)
            for name, row in zip(ids, scores.tolist(), strict=True):
                for known, score in zip(every, row, strict=True):
                    if not np.isnan(score):
                        known[name] = max(score, known.get(name, -1))
        found = best.rankings()
    for ranking, known in zip(found, every, strict=True):
        expected = sorted(known.items(), key=lambda each: (-each[1], each[0]))[:kept]
        assert [score for _, score in ranking] == [score for _, score in expected]
        assert all(known[name] == score for name, score in ranking)
        assert len({name for name, _ in ranking}) == len(ranking)


def test_it_holds_no_more_however_much_comes() -> None:
    """Each asset is better than all before, and what was kept is given up for it."""
    best = Best(3, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WAITING", 100)
        for block in range(50):
            scores = np.arange(20 * block, 20 * block + 20, dtype=np.float32)[:, None].repeat(3, axis=1)
            best.add([f"{block} {row}" for row in range(20)], scores)
            assert len(best._numbers) <= 15 + 100 + 20
            assert sum(len(part[0]) for part in best._parts) <= 15 + 100 + 60
    assert best.rankings()[0] == [(f"49 {19 - rank}", 999.0 - rank) for rank in range(5)]
