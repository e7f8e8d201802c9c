"""Vectors of half precision: a column of bytes in Parquet, and numbers to calculate with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMN = "vector"
_PLACE = np.int32(-0x70002000)
"""The bits of a half, sign first, where a single has them."""
_SCALE = np.float32(2.0**112)
"""The exponents of singles are larger by so much."""


def column_type(dim: int) -> pa.DataType:
    """Little-endian halves, one after the other: Parquet reads them twenty times as fast as lists of numbers."""
    return pa.binary(2 * dim)


def to_column(vectors: NDArray[np.float16]) -> pa.Array:
    """Vectors of shape ``(rows, dim)`` as a column."""
    content = pa.py_buffer(np.ascontiguousarray(vectors, dtype="<f2"))
    return pa.FixedSizeBinaryArray.from_buffers(column_type(vectors.shape[1]), len(vectors), [None, content])


def from_column(table: pa.Table) -> NDArray[np.float16]:
    """The vectors of a table, shape ``(rows, dim)``."""
    chunks = table[COLUMN].chunks
    column = chunks[0] if len(chunks) == 1 else table[COLUMN].combine_chunks()
    dim = column.type.byte_width // 2
    start = 2 * dim * column.offset
    return np.frombuffer(column.buffers()[1], dtype="<f2", count=len(column) * dim, offset=start).reshape(-1, dim)


def renewed(table: pa.Table) -> pa.Table:
    """A table whose vectors are bytes, where an older Meshseek wrote lists of halves."""
    place = table.column_names.index(COLUMN) if COLUMN in table.column_names else -1
    if place < 0 or not (pa.types.is_list(kind := table[COLUMN].type) or pa.types.is_fixed_size_list(kind)):
        return table
    numbers = table[COLUMN].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = numbers.astype(np.float16).reshape(len(table), -1)
    return table.set_column(place, COLUMN, to_column(vectors))


def to_singles(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """The same finite numbers in single precision, six times as fast as ``astype``; infinity and NaN become large."""
    bits = vectors.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= _PLACE
    singles = bits.view(np.float32)
    singles *= _SCALE
    return singles
