"""Measures of one ranking: hits, reciprocal rank, and normalised discounted cumulative gain."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

HITS = (1, 5, 10)


def first_rank(ranking: Sequence[str], relevant: Collection[str]) -> int | None:
    """Rank of the first relevant asset, from 1; None where none is in the ranking."""
    return next((rank for rank, asset_id in enumerate(ranking, 1) if asset_id in relevant), None)


def reciprocal_rank(rank: int | None) -> float:
    """One by the rank of the first relevant asset; 0 without one."""
    return 1 / rank if rank else 0.0


def ndcg(ranking: Sequence[str], relevant: Collection[str], depth: int) -> float:
    """Normalised discounted cumulative gain of the first ``depth``, with gains of 0 and 1.

    The gain at rank r counts 1 / log2(r + 1) (Järvelin and Kekäläinen, 2002); 1 means that all relevant assets, or
    ``depth`` of them, come first.

    Args:
        ranking: Distinct asset ids, the best first.
        relevant: Ids of the relevant assets, at least one.
        depth: How many results count.
    """
    gained = sum(_discount(rank) for rank, asset_id in enumerate(ranking[:depth], 1) if asset_id in relevant)
    best = sum(_discount(rank) for rank in range(1, min(depth, len(relevant)) + 1))
    return gained / best


def overlap(ranking: Sequence[str], truth: Sequence[str]) -> float:
    """Share of the true ranking that is in a ranking; 1 where the true one is empty."""
    return len(set(ranking) & set(truth)) / len(truth) if truth else 1.0


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)
