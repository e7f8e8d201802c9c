"""Single assets, their vectors, and the values that fields have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from meshseek.errors import NotFoundError
from meshseek.model import PublishedAsset
from meshseek.sizes import SIDES
from meshseek.store.queries import query
from meshseek.store.read.reader import AS_IT_IS
from meshseek.store.read.rows import published_asset, vectors_of
from meshseek.store.read.statements import statement
from meshseek.store.read.statistics import named_labels, read_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.model import Condition
    from meshseek.store.read.published import Target
    from meshseek.store.read.reader import Reader


class Catalogue:
    """What can be looked up without a search."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def asset(self, asset_id: str) -> PublishedAsset:
        """One asset.

        Raises:
            NotFoundError: There is none with this id.
        """
        rows = [] if "\0" in asset_id else self._reader.rows(query("asset"), {"asset_id": asset_id})
        if not rows:
            raise NotFoundError(f"there is no asset '{asset_id}' here; check the id")
        return published_asset(rows[0])

    def own_vectors(self, asset_id: str) -> dict[Target, NDArray[np.float32]]:
        """What an asset has of a caption vector and the mean of its views, shape ``(dim,)`` each."""
        rows = [] if "\0" in asset_id else self._reader.rows(query("own_vectors"), {"asset_id": asset_id})
        return {row["target"]: row["vector"].to_numpy().astype(np.float32) for row in rows}

    def known_as(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Ids of the assets by each name that is an id, or the attribute ``name``, of any; the others are left out."""
        wanted = {name for name in names if "\0" not in name}
        known: dict[str, list[str]] = {}
        for row in self._reader.rows(query("known_as"), {"names": sorted(wanted)}):
            for name in {row["asset_id"], row["name"]} & wanted:
                known.setdefault(name, []).append(row["asset_id"])
        return known

    def with_uids(self, uids: Iterable[str]) -> dict[str, list[str]]:
        """Ids of the assets by Objaverse uid: their attribute ``objaverse_uid``, or the last part of their id."""
        wanted = sorted({uid for uid in uids if "\0" not in uid})
        known: dict[str, list[str]] = {}
        for row in self._reader.rows(query("with_uids"), {"uids": wanted}):
            known.setdefault(row["uid"], []).append(row["asset_id"])
        return known

    def facet(self, attribute: str, limit: int = 200) -> list[tuple[str, int]]:
        """The values of an attribute and how many assets have each, most frequent first."""
        rows = self._reader.rows(query("facet"), {"field": attribute, "limit": limit})
        return [(row["value"], row["count"]) for row in rows]

    def unknown_labels(self, conditions: Sequence[Condition]) -> list[tuple[str, str]]:
        """Field and value of each word that conditions name and no asset of the whole library has."""
        known = read_labels(self._reader, conditions)
        return [label for label in named_labels(conditions) if label not in known]

    def likeness(self, asset_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Unit vectors that tell how alike assets are: of captions, or of views where an asset has no captions.

        All are of one length; a caption is like no views.
        """
        captions = self.caption_vectors(asset_ids)
        without = [asset_id for asset_id in asset_ids if asset_id not in captions]
        views = self.appearances(without) if without else {}
        if not captions or not views:
            return captions or views
        nothing = np.zeros_like(next(iter(views.values())))
        return {
            **{asset_id: np.concatenate([vector, nothing]) for asset_id, vector in captions.items()},
            **{asset_id: np.concatenate([nothing, vector]) for asset_id, vector in views.items()},
        }

    def caption_vectors(self, asset_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The caption vectors of assets, shape ``(dim,)`` each, of those that have any."""
        (row,) = self._reader.rows(statement("likeness"), {"ids": list(asset_ids)}, AS_IT_IS)
        return vectors_of(row)

    def sizes(self, asset_ids: Sequence[str]) -> dict[str, tuple[float, float, float]]:
        """Width, depth and height of assets in centimetres, NaN where one is not known."""
        rows = self._reader.rows(query("sizes"), {"ids": list(asset_ids)}, AS_IT_IS)
        sides = ((math.nan if row[name] is None else row[name] for name in SIDES) for row in rows)
        return {
            row["asset_id"]: (width, depth, height) for row, (width, depth, height) in zip(rows, sides, strict=True)
        }

    def appearances(self, asset_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The mean views of assets, shape ``(dim,)`` each, of those that have any."""
        (row,) = self._reader.rows(query("centroids"), {"ids": list(asset_ids)})
        return vectors_of(row)
