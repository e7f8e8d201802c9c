"""Reciprocal-rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from meshseek.model import Hit

RANK_CONSTANT = 60


def fuse(rankings: Sequence[Sequence[Hit]]) -> list[Hit]:
    """One ranking from several; an asset's score is the sum of ``1 / (60 + rank)`` over the rankings it is in.

    Ties are broken by asset id. A hit keeps the viewpoint of the first ranking that gives one.
    """
    fused: dict[str, Hit] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, 1):
            share = 1 / (RANK_CONSTANT + rank)
            known = fused.get(hit.asset_id)
            fused[hit.asset_id] = replace(known, score=known.score + share) if known else replace(hit, score=share)
    return sorted(fused.values(), key=lambda hit: (-hit.score, hit.asset_id))
