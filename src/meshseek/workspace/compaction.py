"""Makes a table small again: rows that were replaced, or whose assets left, are taken out of its shards."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from meshseek.files import disk_error
from meshseek.workspace.by_asset import pieces, replaced_ids
from meshseek.workspace.shards import UNITS, ShardFolder, without

LOT_BYTES = 16_000_000
"""Of rows that become one shard."""
SMALL_BYTES, MANY_SMALL = 1_000_000, 16
"""More shards than so many that are smaller than this make reading slow."""


def compact(table: ShardFolder, kept: Container[str]) -> int:
    """Keep the latest rows of some assets only, and remove the files that do not count.

    Shards that lose nothing stay, unless there are many small ones; of the others, the new ones are on the disk before
    the old ones go. No stage may write the table meanwhile.

    Returns:
        Number of bytes that this frees.

    Raises:
        WorkspaceError: A shard is damaged, the disk is full, or the folder cannot be written; nothing is lost.
    """
    before = _bytes(table)
    try:
        small = [shard["bytes"] < SMALL_BYTES for shard in table.shards]
        merged = sum(small) > MANY_SMALL
        stay, change = [], []
        for shard, ids, is_small in zip(table.shards, _dropped(table, kept), small, strict=True):
            if ids or (is_small and merged):
                change.append((shard, ids))
            else:
                stay.append(shard)
        if change:
            rows = (without(table.read_shard(shard), ids) for shard, ids in change)
            written = [table.write_shard(lot, number) for number, lot in enumerate(_in_lots(rows), len(table.shards))]
            table.keep_shards([*stay, *written])
    except OSError as error:
        raise disk_error(error, table.folder) from error
    finally:  # what was written in vain goes as well
        _remove(_uncounted(table), table.folder)
    return before - _bytes(table)


def freed(table: ShardFolder, kept: Container[str]) -> int:
    """About how many bytes :func:`compact` would free.

    Raises:
        WorkspaceError: A shard is damaged.
    """
    total = sum(path.stat().st_size for path in _uncounted(table))
    for shard, ids, dropped in zip(table.shards, table.ids_by_shard(), _dropped(table, kept), strict=True):
        total += int(shard["bytes"]) * len(dropped) // max(1, len(ids))
    return total


def _dropped(table: ShardFolder, kept: Container[str]) -> list[list[str]]:
    """The assets of each shard whose rows go."""
    ids = table.ids_by_shard()
    return [
        [*replaced, *(asset_id for asset_id in pieces(named) if asset_id not in kept)]
        for named, replaced in zip(ids, replaced_ids(ids), strict=True)
    ]


def _files(table: ShardFolder) -> list[Path]:
    return [*table.folder.glob("part-*.parquet"), *table.folder.glob(".*.tmp"), *table.folder.glob(f"{UNITS}/*/*")]


def _remove(paths: Iterable[Path], folder: Path) -> None:
    try:
        for path in paths:
            path.unlink()
    except OSError as error:
        raise disk_error(error, folder) from error


def _bytes(table: ShardFolder) -> int:
    return sum(path.stat().st_size for path in _files(table))


def _uncounted(table: ShardFolder) -> list[Path]:
    counted = {shard["file"] for shard in table.shards}
    return [path for path in _files(table) if path.name not in counted]


def _in_lots(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in fewer and larger tables; those about one asset stay together."""
    lot: list[pa.Table] = []
    for table in tables:
        lot.append(table)
        if sum(part.nbytes for part in lot) >= LOT_BYTES:
            yield pa.concat_tables(lot).combine_chunks()
            lot = []
    if any(part.num_rows for part in lot):
        yield pa.concat_tables(lot).combine_chunks()
