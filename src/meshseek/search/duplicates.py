"""Collapses assets that look the same into the best of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from meshseek.model import Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAME = 0.995
"""Cosine of the mean views above which two assets are taken for copies: exact copies reach 1 but for rounding (.999),
while two views of one asset are at most at .95, so different assets stay apart."""


def collapse(ranking: Iterable[Hit], appearances: Mapping[str, NDArray[np.float32]]) -> list[Hit]:
    """Keep each hit that looks like none before it; the others become its duplicates, in their order.

    Args:
        ranking: Best first.
        appearances: Mean views by asset id, unit vectors; an asset without views is a copy of none.
    """
    import numpy as np  # noqa: PLC0415  # the command line lists the modes without it

    kept: list[Hit] = []
    looks: list[NDArray[np.float32]] = []
    owners: list[int] = []
    copies: dict[int, list[str]] = {}
    for hit in ranking:
        look = appearances.get(hit.asset_id)
        cosines = np.array(looks) @ look if look is not None and looks else np.empty(0)
        if len(cosines) and cosines.max() >= SAME:
            copies.setdefault(owners[int(cosines.argmax())], []).append(hit.asset_id)
            continue
        if look is not None:
            looks.append(look)
            owners.append(len(kept))
        kept.append(hit)
    return [replace(hit, duplicates=tuple(copies.get(place, ()))) for place, hit in enumerate(kept)]
