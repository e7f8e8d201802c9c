"""Collapses assets that look the same into the best of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from meshseek.model import Ranked
from meshseek.relevance import SAME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def collapse(
    ranking: Iterable[Ranked], appearances: Mapping[str, NDArray[np.float32]]
) -> tuple[list[Ranked], dict[str, tuple[str, ...]]]:
    """Keep each asset that looks like none before it; the others become its duplicates, in their order.

    Args:
        ranking: Best first.
        appearances: Mean views by asset id, unit vectors; an asset without views is a copy of none.

    Returns:
        What is kept, and the ids of the duplicates of those that have any.
    """
    import numpy as np  # noqa: PLC0415  # the command line lists the modes without it

    kept: list[Ranked] = []
    owners: list[str] = []
    copies: dict[str, tuple[str, ...]] = {}
    looks = np.empty((len(appearances), len(next(iter(appearances.values()), ()))), dtype=np.float32)
    for ranked in ranking:
        look = appearances.get(ranked.asset_id)
        if look is not None:
            cosines = looks[: len(owners)] @ look
            if len(cosines) and cosines.max() >= SAME:
                owner = owners[int(cosines.argmax())]
                copies[owner] = (*copies.get(owner, ()), ranked.asset_id)
                continue
            looks[len(owners)] = look
            owners.append(ranked.asset_id)
        kept.append(ranked)
    return kept, copies
