"""Something about each asset, looked up by asset id: of a million assets in the memory that their texts take."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pyarrow as pa

T = TypeVar("T")

_PIECE = 1024
_NARROW = np.iinfo(np.int32).max


class Texts:
    """A column of texts, one after the other; a dictionary's texts take three times the memory, each a Python object.

    Args:
        column: Theirs.
    """

    def __init__(self, column: pa.Array | pa.ChunkedArray) -> None:
        whole = column.cast(pa.large_string())
        if isinstance(whole, pa.ChunkedArray):
            whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], pa.large_string())
        self._missing = memoryview(whole.is_null().to_numpy(zero_copy_only=False)) if whole.null_count else None
        _, places, content = whole.buffers()
        ends = np.frombuffer(places, np.int64, len(whole) + 1, 8 * whole.offset) if len(whole) else np.zeros(1, int)
        self._ends = ends.astype(np.int32).data if ends[-1] <= _NARROW else ends.data
        self._content = content.to_pybytes() if content else b""  # a part of bytes is got in half the time of a view's

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, row: int) -> str | None:
        """A text; None where there is none."""
        if self._missing is not None and self._missing[row]:
            return None
        return self._content[self._ends[row] : self._ends[row + 1]].decode()

    def at(self, row: int) -> str:
        """A text; empty where there is none."""
        return self._content[self._ends[row] : self._ends[row + 1]].decode()

    def first_of(self, rows: Iterable[int], text: bytes) -> int | None:
        """The first of some rows that has a text; None where none has."""
        ends, content = self._ends, self._content
        for row in rows:
            if content[ends[row] : ends[row + 1]] == text:
                return row
        return None


def flat(column: pa.ChunkedArray) -> tuple[memoryview, pa.Array]:
    """Where the list of each row begins and ends among the values of all lists, and these values."""
    lists = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return lists.offsets.to_numpy().data, lists.values


class ByAsset(Mapping[str, T]):
    """A mapping by asset id whose values are made when they are asked for.

    The rows of an id are found by its hash: ``_starts`` says where the rows of a hash begin in ``_rows``, which takes
    eight to twelve bytes an asset where a dictionary takes 42 and the object of each id 64.

    Args:
        ids: The assets, each once, in the order in which they are to be given.
        value: Gives the value of a row.
    """

    def __init__(self, ids: pa.Array | pa.ChunkedArray, value: Callable[[int], T]) -> None:
        self._ids = Texts(ids)
        self._value = value
        self._mask = (1 << len(ids).bit_length()) - 1
        hashes = np.fromiter((hash(asset_id) & self._mask for asset_id in self), np.int64, len(self._ids))
        self._rows = np.argsort(hashes, kind="stable").astype(np.uint32).data
        starts = np.zeros(self._mask + 2, np.uint32)
        np.cumsum(np.bincount(hashes, minlength=self._mask + 1), out=starts[1:])
        self._starts = starts.data

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return map(self._ids.at, range(len(self._ids)))

    def items(self) -> ItemsView[str, T]:
        """Each asset with its value, which need not be looked up."""
        return _Items(self, self._value)

    def __contains__(self, asset_id: object) -> bool:
        return isinstance(asset_id, str) and self._row(asset_id) is not None

    def __getitem__(self, asset_id: str) -> T:
        row = self._row(asset_id)
        if row is None:
            raise KeyError(asset_id)
        return self._value(row)

    def get(self, asset_id: str, default: T | None = None) -> T | None:  # type: ignore[override]  # no other default
        """The value of an asset."""
        row = self._row(asset_id)
        return default if row is None else self._value(row)

    def _row(self, asset_id: str) -> int | None:
        place = hash(asset_id) & self._mask
        text = asset_id.encode(errors="surrogatepass")  # what a file may be named and no table can hold
        return self._ids.first_of(self._rows[self._starts[place] : self._starts[place + 1]], text)


class Some(Mapping[str, T]):
    """Some assets of a mapping, without a copy of them.

    Args:
        mapping: Of all.
        wanted: Says of an asset id whether it is one of them.
    """

    def __init__(self, mapping: Mapping[str, T], wanted: Callable[[str], bool]) -> None:
        self._mapping = mapping
        self._wanted = wanted

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[str]:
        return filter(self._wanted, self._mapping)

    def __getitem__(self, asset_id: str) -> T:
        if not self._wanted(asset_id):
            raise KeyError(asset_id)
        return self._mapping[asset_id]


class _Items(ItemsView[str, T]):
    def __init__(self, mapping: ByAsset[T], value: Callable[[int], T]) -> None:
        super().__init__(mapping)
        self._by_asset, self._value = mapping, value

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return zip(self._by_asset, map(self._value, range(len(self._by_asset))), strict=True)


def latest_rows(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    """The last row of each asset, in the order in which assets first appear; what does not fit the schema is left out.

    Args:
        tables: Each with columns of the schema, among them ``asset_id``.
        schema: The columns that are given.
    """
    fitting: list[pa.Table] = []
    for table in tables:
        try:
            fitting.append(table.select(schema.names).cast(schema))
        except (pa.ArrowException, KeyError):
            continue
    whole = pa.concat_tables(fitting) if fitting else schema.empty_table()
    assets = whole["asset_id"].fill_null("").combine_chunks().dictionary_encode()
    if len(assets.dictionary) == len(whole):
        return whole
    latest = np.empty(len(assets.dictionary), np.int64)
    latest[assets.indices.to_numpy()] = np.arange(len(whole))  # of equal ones the last stays
    return whole.take(latest)


def texts_by_asset(table: pa.Table, column: str) -> ByAsset[str]:
    """A column of texts by asset id.

    Args:
        table: Each asset once.
        column: Which.
    """
    return ByAsset(table["asset_id"], Texts(table[column]).at)


def replaced_ids(ids_by_shard: Sequence[pa.StringArray]) -> list[list[str]]:
    """The assets of each shard whose rows a later shard replaced."""
    assets = pa.chunked_array(ids_by_shard, pa.string()).combine_chunks().dictionary_encode()
    numbers = assets.indices.to_numpy()
    shards = np.repeat(np.arange(len(ids_by_shard), dtype=np.int32), [len(ids) for ids in ids_by_shard])
    latest = np.empty(len(assets.dictionary), np.int32)
    latest[numbers] = shards  # of equal ones the last stays
    replaced = np.flatnonzero(latest[numbers] != shards)
    starts = np.searchsorted(shards[replaced], np.arange(len(ids_by_shard) + 1))
    names = assets.dictionary.take(numbers[replaced])
    return [names[start:end].to_pylist() for start, end in pairwise(starts)]


def pieces(texts: pa.Array) -> Iterator[str]:
    """The texts of a column, of which few are Python's at a time."""
    for start in range(0, len(texts), _PIECE):
        yield from texts[start : start + _PIECE].to_pylist()
