"""Which vectors on disk are published, by asset: what they must have been made from, and of which views they are."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from meshseek.workspace.by_asset import ByAsset, Texts
from meshseek.workspace.made_from import ShownViews
from meshseek.workspace.tables import SOURCES, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOT = 16_384
NONE = -1
"""In place of a list of views: one vector stands for several."""


@dataclass(frozen=True, slots=True)
class WantedVectors:
    """Those of one source; the ids of their assets are ``in`` it."""

    made_from: Callable[[str], str | None]
    """What the rows of an asset must have been made from; None where none are wanted."""

    def __contains__(self, asset_id: object) -> bool:
        return isinstance(asset_id, str) and self.made_from(asset_id) is not None


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that are published."""

    rows: ByAsset[int]
    """The row of each asset below."""
    fingerprints: dict[Source, Texts]
    """Of the vectors that are wanted, by row; those of views, as they stand on disk."""
    views: NDArray[np.int32]
    """The list of each asset's views that are published, by row; :data:`NONE` where one vector stands for several."""
    lists: Sequence[tuple[int, ...]]
    only: NDArray[np.bool_] | None = None
    """Which rows count; None for all."""

    @property
    def count(self) -> int:
        """How many assets count."""
        return len(self.rows) if self.only is None else int(np.count_nonzero(self.only))

    def of(self, source: Source) -> WantedVectors:
        """Those of one source."""
        texts = self.fingerprints[source]

        def made_from(asset_id: str) -> str | None:
            row = self.rows.get(asset_id)
            return None if row is None or (self.only is not None and not self.only[row]) else texts[row]

        return WantedVectors(made_from)

    def viewpoints(self, asset_id: str) -> tuple[int, ...] | None:
        """The views of an asset that are published; None where one vector stands for several."""
        number = self.views[self.rows[asset_id]]
        return None if number == NONE else self.lists[number]


@dataclass(slots=True)
class WantedBuilder:
    """Notes what is wanted of one asset after the other."""

    waiting: dict[Source, list[str | None]] = field(default_factory=lambda: {source: [] for source in SOURCES})
    columns: dict[Source, list[pa.Array]] = field(default_factory=lambda: {source: [] for source in SOURCES})
    views: array[int] = field(default_factory=lambda: array("i"))
    lists: dict[tuple[int, ...], int] = field(default_factory=dict)

    def add(self, made_from: Mapping[Source, str], shown: ShownViews | None) -> None:
        """Note those of the next asset.

        Args:
            made_from: What its caption vectors must have been made from.
            shown: Those of its views; None where there are none.
        """
        for source, column in self.waiting.items():
            if source != "appearance":
                column.append(made_from.get(source))
        self.waiting["appearance"].append(shown.fingerprint if shown else None)
        viewpoints = shown.viewpoints if shown else None
        self.views.append(NONE if viewpoints is None else self.lists.setdefault(viewpoints, len(self.lists)))
        if len(self.views) % LOT == 0:
            self._set_down()

    def wanted(self, rows: ByAsset[int]) -> Wanted:
        """What was noted, of assets in this order."""
        self._set_down()
        texts = {source: Texts(pa.chunked_array(parts, pa.string())) for source, parts in self.columns.items()}
        return Wanted(rows, texts, np.frombuffer(self.views, dtype=np.intc), [*self.lists])

    def _set_down(self) -> None:
        for source, column in self.waiting.items():
            self.columns[source].append(pa.array(column, pa.string()))
            column.clear()
