"""Vectors of views on disk: what they say of themselves, and those of one asset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pyarrow as pa

from meshseek.workspace.by_asset import ByAsset, Texts, latest_rows
from meshseek.workspace.made_from import HeldViews, joint_viewpoints
from meshseek.workspace.shards import ShardFolder, first_rows
from meshseek.workspace.tables import Viewpoints

_TOGETHER = -1
_HELD = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string(), "set": pa.int32(), "shard": pa.int32()})
"""Of each asset; ``set`` is the number of its set of viewpoints, of which a million assets have few."""


def held_views(table: ShardFolder) -> Mapping[str, HeldViews]:
    """What vectors of views each asset has; of a shard that cannot be read, nothing."""
    sets: dict[tuple[int, ...], int] = {}
    rows = latest_rows((_held_of(shard, part, sets) for shard, part in _parts(table)), _HELD)
    fingerprints, known = Texts(rows["fingerprint"]), list(sets)
    numbers, shards = (memoryview(rows[name].to_numpy()) for name in ("set", "shard"))

    def held(row: int) -> HeldViews:
        fingerprint, number = fingerprints.at(row), numbers[row]
        if number == _TOGETHER:
            return HeldViews(fingerprint, joint_viewpoints(fingerprint), together=True, shard=shards[row])
        return HeldViews(fingerprint, known[number], together=False, shard=shards[row])

    return ByAsset(rows["asset_id"], held)


def _parts(table: ShardFolder) -> Iterator[tuple[int, pa.Table]]:
    return table.parts(["asset_id", "viewpoint_id", "fingerprint"])


def _held_of(shard: int, part: pa.Table, sets: dict[tuple[int, ...], int]) -> pa.Table:
    """What each asset of a shard has; sets of viewpoints that are new get a number."""
    viewpoints = Viewpoints()
    starts = first_rows(part["asset_id"])
    firsts = part.take(starts)
    numbers = part["viewpoint_id"].fill_null(0).to_numpy()
    bounds = pairwise([*starts.tolist(), len(part)])
    own = [
        _TOGETHER if is_one else sets.setdefault(viewpoints.of(numbers[start:end]), len(sets))
        for is_one, (start, end) in zip(firsts["viewpoint_id"].is_null().to_pylist(), bounds, strict=True)
    ]
    columns = {"set": pa.array(own, pa.int32()), "shard": pa.array([shard] * len(own), pa.int32())}
    return pa.table({"asset_id": firsts["asset_id"], "fingerprint": firsts["fingerprint"], **columns})


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
