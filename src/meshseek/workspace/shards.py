"""Tables on disk as Parquet shards; the manifest, written last, says which shards count."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from meshseek.errors import WorkspaceError
from meshseek.files import disk_error, make_folder, write_whole
from meshseek.workspace.by_asset import latest_rows, pieces, replaced_ids, texts_by_asset
from meshseek.workspace.halves import COLUMN, renewed
from meshseek.workspace.manifest import MANIFEST, is_missing, read_manifest, write_manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

THREADED_BYTES = 1_000_000
UNITS = ".units"
"""Folder in a table's: shards that workers have made, and that are not yet taken."""
_ROWS = pa.schema({"asset_id": pa.string(), "rows": pa.int64()})
MADE_FROM = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string()})


class ShardFolder:
    """A table of rows about assets, written shard by shard; a shard counts whole or not at all.

    Rows about one asset are always together in one shard, and a later shard about the same asset replaces the
    earlier one. A row's ``fingerprint`` tells what the row was made from.

    Args:
        folder: Where the shards are; made at the first write.
        schema: Columns, among them ``asset_id`` and ``fingerprint``.
        header: JSON values that hold for the whole table, such as the space of vectors.

    Raises:
        WorkspaceError: The manifest is damaged.
    """

    def __init__(self, folder: Path, schema: pa.Schema, header: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.schema = schema
        manifest = read_manifest(folder)
        self.header: dict[str, Any] = dict(header or {}) if manifest is None else manifest["header"]
        self.shards: list[dict[str, Any]] = [] if manifest is None else manifest["shards"]
        """File, rows, bytes and sha256 of each shard that counts."""

    def __len__(self) -> int:
        """Number of rows, replaced ones included."""
        return sum(shard["rows"] for shard in self.shards)

    @property
    def digest(self) -> str:
        """Changes whenever the table changes."""
        text = json.dumps([self.header, [shard["sha256"] for shard in self.shards]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Write the rows as one more shard.

        Raises:
            WorkspaceError: The rows do not fit, the disk is full, or the folder cannot be written.
        """
        try:
            table = pa.Table.from_pylist(rows, schema=self.schema)
        except pa.ArrowException as error:
            raise self._unfit(error) from error
        self.append_table(table)

    def append_table(self, table: pa.Table) -> None:
        """Write a table of the same columns as one more shard.

        Raises:
            WorkspaceError: The columns are others, the disk is full, or the folder cannot be written.
        """
        if not table.schema.equals(self.schema):
            raise self._unfit(_difference(table.schema, self.schema))
        try:
            make_folder(self.folder)
            for leftover in self.folder.glob(".*.tmp"):  # of a process that was killed: a table has one writer
                leftover.unlink()
            self.keep_shards([*self.shards, self.write_shard(table, len(self.shards))])
        except OSError as error:
            raise disk_error(error, self.folder) from error

    def write_shard(self, table: pa.Table, number: int) -> dict[str, Any]:
        """Write a shard, which counts only when the manifest names it; returns what the manifest says of it."""
        sink = pa.BufferOutputStream()
        # Vectors have nothing that repeats: a dictionary and compression only make reading slow.
        packed = [name for name in table.column_names if name != COLUMN]
        compression = "zstd" if COLUMN not in table.column_names else dict.fromkeys(packed, "zstd")
        pq.write_table(table, sink, compression=compression, use_dictionary=packed)
        content = memoryview(sink.getvalue())
        digest = hashlib.sha256(content).hexdigest()
        name = f"part-{number:05d}-{digest[:8]}.parquet"
        write_whole(self.folder / name, content)
        return {"file": name, "rows": table.num_rows, "bytes": content.nbytes, "sha256": digest}

    def is_whole(self, shard: Mapping[str, Any]) -> bool:
        """Whether a shard is there as it was written."""
        return self._damage(shard) is None

    def adopt(self, shard: Mapping[str, Any]) -> None:
        """Take a shard that was written into another folder of the same disk, which it names, and make it count.

        Raises:
            OSError: It cannot be moved.
        """
        entry = {name: value for name, value in shard.items() if name != "folder"}
        Path(shard["folder"], entry["file"]).replace(self.folder / entry["file"])
        self.keep_shards([*(known for known in self.shards if known["file"] != entry["file"]), entry])

    def damaged(self) -> list[Path]:
        """The shards that are missing or were altered; the manifest, where there is none that says what counts."""
        if is_missing(self.folder):
            return [self.folder / MANIFEST]
        return [self.folder / shard["file"] for shard in self.shards if not self.is_whole(shard)]

    def expect_manifest(self) -> None:
        """Refuse a table of which it is not known what counts.

        Raises:
            WorkspaceError: There are shards, and no manifest.
        """
        if is_missing(self.folder):
            raise WorkspaceError(f"{self.folder / MANIFEST} is missing; run its stage again, or 'meshseek update'")

    def drop_damaged(self) -> list[str]:
        """Forget the shards that are missing or were altered, so that only their rows are made again.

        Returns:
            A sentence about each.

        Raises:
            WorkspaceError: The folder cannot be written.
        """
        whole, told = [], []
        if is_missing(self.folder):
            told.append(f"{self.folder / MANIFEST} is missing: all rows of this table are made again")
        for shard in self.shards:
            reason = self._damage(shard)
            if reason is None:
                whole.append(shard)
            else:
                path = self.folder / shard["file"]
                told.append(f"{path} is damaged ({reason}): its {shard['rows']:,} rows are made again")
        if told:
            try:
                self.keep_shards(whole)
            except OSError as error:
                raise disk_error(error, self.folder) from error
        return told

    def keep_shards(self, shards: list[dict[str, Any]]) -> None:
        """Make just these shards count.

        Raises:
            OSError: The folder cannot be written.
        """
        write_manifest(self.folder, self.header, shards)
        self.shards = shards

    def fingerprints(self) -> Mapping[str, str]:
        """What each asset's rows were made from, by asset id, in the order of first appearance.

        A shard that cannot be read is left out: what it held is not finished.
        """
        parts = (table for _, table in self.parts(MADE_FROM.names))
        firsts = (table.take(first_rows(table["asset_id"])) for table in parts)
        return texts_by_asset(latest_rows(firsts, MADE_FROM), "fingerprint")

    def parts(self, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
        """Some columns of each shard that can be read, by its number; also of rows that a later shard replaced."""
        for number, shard in enumerate(self.shards):
            with contextlib.suppress(WorkspaceError):
                yield number, self._read(shard, columns)

    def count(self) -> int:
        """Number of rows that no later shard replaced."""
        counts = (self._read(shard, ["asset_id"])["asset_id"].value_counts() for shard in self.shards)
        tables = (pa.table({"asset_id": found.field("values"), "rows": found.field("counts")}) for found in counts)
        return pc.sum(latest_rows(tables, _ROWS)["rows"], min_count=0).as_py() or 0

    def tables(self, wanted: Container[str] | None = None, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Read the shards one after the other, without the rows that a later shard replaced.

        Args:
            wanted: Ids of assets; shards with none of them are left out. None for all.
            columns: Names of those to read, among them ``asset_id``. None for all.

        Raises:
            WorkspaceError: A shard is missing or was altered, or the manifest is missing.
        """
        self.expect_manifest()
        for shard, replaced in self._chosen(wanted):
            yield without(self.read_shard(shard, columns), replaced)

    def _chosen(self, wanted: Container[str] | None) -> list[tuple[dict[str, Any], list[str]]]:
        """The shards that hold any of some assets, each with those assets whose rows a later one replaced."""
        ids = self.ids_by_shard()
        return [
            (shard, replaced)
            for shard, named, replaced in zip(self.shards, ids, replaced_ids(ids), strict=True)
            if wanted is None or any(asset_id in wanted for asset_id in pieces(named))
        ]

    def _read(self, shard: dict[str, Any], columns: list[str]) -> pa.Table:
        try:
            with pq.ParquetFile(self.folder / shard["file"], memory_map=True) as file:
                return file.read(columns, use_threads=_is_large(shard))
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(shard, error) from error

    def ids_by_shard(self) -> list[pa.StringArray]:
        """The assets of each shard."""
        return [self._read(shard, ["asset_id"])["asset_id"].unique() for shard in self.shards]

    def read_shard(self, shard: dict[str, Any], columns: Sequence[str] | None = None) -> pa.Table:
        """The columns, once the checksum was found right."""
        reason = self._damage(shard)
        if reason is not None:
            raise self._damaged(shard, reason)
        try:
            with pq.ParquetFile(self.folder / shard["file"], memory_map=True) as file:
                table = renewed(file.read(columns))
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(shard, error) from error
        fields = [field for field in self.schema if columns is None or field.name in columns]
        for field in fields:
            if field.name not in table.column_names:  # the shard is older than the column
                table = table.append_column(field, pa.nulls(len(table), field.type))
        table = table.select([field.name for field in fields])
        if [field.type for field in table.schema] != [field.type for field in fields]:
            difference = _difference(table.schema, pa.schema(fields))
            raise WorkspaceError(
                f"{self.folder / shard['file']} does not fit its folder ({difference}); "
                f"remove {self.folder} and run its stage again"
            )
        return table

    def _damage(self, shard: Mapping[str, Any]) -> str | None:
        """Why a shard cannot be used; None where it is as it was written."""
        try:
            with (self.folder / shard["file"]).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            return error.strerror or "cannot be read"
        return None if digest == shard["sha256"] else "its checksum differs"

    def _unfit(self, reason: object) -> WorkspaceError:
        return WorkspaceError(
            f"{self.folder} cannot take rows of another form ({_first_line(reason)}); "
            "remove the folder and run its stage again"
        )

    def _damaged(self, shard: dict[str, Any], reason: object) -> WorkspaceError:
        path = self.folder / shard["file"]
        by_system = isinstance(reason, OSError) and reason.strerror  # what Arrow says is not meant for people
        why = reason if isinstance(reason, str) else by_system or "it is no longer Parquet"
        return WorkspaceError(f"{path} is damaged ({why}); run its stage again: only this part is made anew")


def _is_large(shard: dict[str, Any]) -> bool:
    """Whether threads read a shard faster; where none can be started, Arrow would wait for them without an end."""
    return bool(shard["bytes"] >= THREADED_BYTES)


def first_rows(asset_ids: pa.ChunkedArray) -> NDArray[np.intp]:
    """The first row of each asset, where its rows stand together."""
    numbers = asset_ids.combine_chunks().dictionary_encode().indices.to_numpy()
    return np.flatnonzero(np.diff(numbers, prepend=-1))


def without(table: pa.Table, asset_ids: Sequence[str]) -> pa.Table:
    """A table without the rows of some assets."""
    return table.filter(pc.invert(pc.is_in(table["asset_id"], pa.array(asset_ids)))) if asset_ids else table


def _first_line(reason: object) -> str:
    return str(reason).partition("\n")[0]


def _difference(found: pa.Schema, expected: pa.Schema) -> str:
    """The first column that is another one than expected."""
    kinds = [{field.name: field.type for field in schema} for schema in (found, expected)]
    for name in dict.fromkeys([*expected.names, *found.names]):
        own, wanted = (known.get(name, "missing") for known in kinds)
        if own != wanted:
            return f"column '{name}' is {own}, not {wanted}"
    return "its columns stand in another order"
