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
    owners: list[int] = []
    copies: dict[int, list[str]] = {}
    looks = np.empty((len(appearances), len(next(iter(appearances.values()), ()))), dtype=np.float32)
    for hit in ranking:
        look = appearances.get(hit.asset_id)
        if look is not None:
            cosines = looks[: len(owners)] @ look
            if len(cosines) and cosines.max() >= SAME:
                copies.setdefault(owners[int(cosines.argmax())], []).append(hit.asset_id)
                continue
            looks[len(owners)] = look
            owners.append(len(kept))
        kept.append(hit)
    return [replace(hit, duplicates=tuple(copies.get(place, ()))) for place, hit in enumerate(kept)]
