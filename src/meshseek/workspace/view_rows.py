"""Vectors of views on disk: what they say of themselves, and those of one asset."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa

from meshseek.workspace.made_from import HeldViews, joint_viewpoints
from meshseek.workspace.shards import ShardFolder, first_rows
from meshseek.workspace.tables import Viewpoints


def held_views(table: ShardFolder) -> dict[str, HeldViews]:
    """What vectors of views each asset has; of a shard that cannot be read, nothing."""
    held: dict[str, HeldViews] = {}
    viewpoints = Viewpoints()
    for shard, part in table.parts(["asset_id", "viewpoint_id", "fingerprint"]):
        starts = first_rows(part["asset_id"])
        firsts = part.take(starts)
        names, fingerprints = (firsts[name].to_pylist() for name in ("asset_id", "fingerprint"))
        together = firsts["viewpoint_id"].is_null().to_pylist()
        numbers = part["viewpoint_id"].fill_null(0).to_numpy()
        bounds = pairwise([*starts.tolist(), len(part)])
        for name, fingerprint, is_one, (start, end) in zip(names, fingerprints, together, bounds, strict=True):
            own = joint_viewpoints(fingerprint) if is_one else viewpoints.of(numbers[start:end])
            held[name] = HeldViews(fingerprint, own, is_one, shard)
    return held


class ViewRows:
    """Reads the rows of assets, shard by shard: those of one shard are to be asked for one after the other.

    Args:
        table: Vectors of views.
    """

    def __init__(self, table: ShardFolder) -> None:
        self._table = table
        self._number = -1
        self._part: pa.Table
        self._bounds: dict[str, tuple[int, int]] = {}

    def of(self, asset_id: str, shard: int) -> Iterator[dict[str, Any]]:
        """The rows of an asset, which the shard of that number has.

        Raises:
            WorkspaceError: The shard was altered since it was last looked at.
        """
        if shard != self._number:
            self._part = self._table.read_shard(self._table.shards[shard])
            starts = first_rows(self._part["asset_id"])
            names = self._part["asset_id"].take(starts).to_pylist()
            self._bounds = dict(zip(names, pairwise([*starts.tolist(), len(self._part)]), strict=True))
            self._number = shard
        start, end = self._bounds[asset_id]
        yield from self._part.slice(start, end - start).to_pylist()
