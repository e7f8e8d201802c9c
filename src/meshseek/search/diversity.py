"""Puts results in an order in which neighbours differ, by maximal marginal relevance (MMR).

Carbonell and Goldstein, SIGIR 1998; with a penalty that only near-equals feel, so that twelve almost equal chairs do
not fill a page and yet all chairs stay before the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from meshseek.model import Ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEPTH = 50
"""So many of the ranking change places; what stands further down stays. With 100 as much was found, in more time."""
PENALTY = 0.5
"""What standing behind its equal costs an asset, of the distance between the best and the last of them. With .7, other
kinds of things come before the last ones of the same kind."""
POWER = 4
"""Of the cosine: alike by half costs a sixteenth."""


def diversified(
    ranking: Sequence[Ranked],
    vectors: Mapping[str, NDArray[np.float32]],
    count: int = DEPTH,
    grades: Sequence[int] = (),
) -> list[Ranked]:
    """Take from the first fifty, one after the other, what fits best and is least like those taken before.

    Args:
        ranking: Best first; those that are named stay before all others.
        vectors: By asset id, unit vectors that tell likeness; an asset without one is like none.
        count: How many places are to be filled; what stands behind them waits in its old order. A larger count fills
            the first places likewise, so pages that are cut from either fit together.
        grades: How well each of the first fifty fits, 0 the best: none is taken before one that fits better and stands
            before it in the ranking. None where all fit as well.
    """
    import numpy as np  # noqa: PLC0415  # the command line lists the modes without it

    head = list(ranking[:DEPTH])
    if not head or not vectors:
        return list(ranking)
    scores = np.array([ranked.score for ranked in head])
    scores = (scores - scores.min()) / (np.ptp(scores) or 1.0)
    scores[[ranked.is_named for ranked in head]] += 1 + PENALTY  # before all others, and apart from each other
    nothing = np.zeros_like(next(iter(vectors.values())))
    matrix = np.stack([vectors.get(ranked.asset_id, nothing) for ranked in head])
    alike = np.maximum(matrix @ matrix.T, 0) ** POWER
    behind = scores - PENALTY * alike.astype(np.float64)  # a row for each: what the others are worth after it
    fits = np.array(grades or [0] * len(head))
    waits = fits.copy()  # of what was not taken
    worth, order = scores.copy(), [0]
    while len(order) < min(count, len(head)):
        last = order[-1]
        np.minimum(worth, behind[last], out=worth)
        worth[last], waits[last] = -np.inf, fits.max()
        order.append(int(np.where(fits <= np.minimum.accumulate(waits), worth, -np.inf).argmax()))
    taken = set(order)
    waiting = [ranked for place, ranked in enumerate(head) if place not in taken]
    return [*(head[place] for place in order), *waiting, *ranking[DEPTH:]]
