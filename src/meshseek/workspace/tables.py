"""Columns of the workspace's tables, and how their rows become values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import pyarrow as pa

from meshseek.model import Asset, Language, ViewSet
from meshseek.workspace.halves import COLUMN, column_type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Source = Literal["caption_english", "caption_chinese", "appearance"]
SOURCES: tuple[Source, ...] = get_args(Source)
SOURCE_OF: dict[Language, Source] = {"english": "caption_english", "chinese": "caption_chinese"}

_ROWS = 2048
"""That are Python's values at a time."""

MEASURED = "measured"
"""Column: the revision of measuring that gave an asset its size; null where an older Meshseek imported it."""

ADDED = "added"
"""Column: when the asset was first imported, in seconds since 1970; null where an older Meshseek did that."""

ASSETS = pa.schema(
    {
        "asset_id": pa.string(),
        "fingerprint": pa.string(),
        "captions_english": pa.list_(pa.string()),
        "captions_chinese": pa.list_(pa.string()),
        "model": pa.string(),
        "model_fingerprint": pa.string(),
        "model_bytes": pa.int64(),
        "view_folder": pa.string(),
        "viewpoint_ids": pa.list_(pa.int16()),
        "view_fingerprint": pa.string(),
        "view_stamps": pa.binary(),
        "attributes": pa.string(),
        MEASURED: pa.int16(),
        ADDED: pa.int64(),
    }
)
RENDERED = pa.schema(
    {
        "asset_id": pa.string(),
        "fingerprint": pa.string(),
        "folder": pa.string(),
        "viewpoint_ids": pa.list_(pa.int16()),
        "sizes": pa.list_(pa.int64()),
        "checksum": pa.string(),
    },
)
CHINESE_CAPTIONS = pa.schema(
    {"asset_id": pa.string(), "fingerprint": pa.string(), "captions": pa.list_(pa.string())},
)


def vector_schema(dim: int) -> pa.Schema:
    """Columns of a vectors table: fp16 unit vectors that travel with their asset and viewpoint."""
    return pa.schema(
        {
            "asset_id": pa.string(),
            "viewpoint_id": pa.int16(),
            "fingerprint": pa.string(),
            COLUMN: column_type(dim),
        }
    )


def asset_row(asset: Asset) -> dict[str, Any]:
    """One row of the assets table; what neither Parquet nor PostgreSQL can hold is left out of its texts."""
    views = asset.views
    return {
        "asset_id": asset.asset_id,
        "fingerprint": asset.fingerprint,
        "captions_english": _storable(asset.captions_english),
        "captions_chinese": _storable(asset.captions_chinese),
        "model": asset.model,
        "model_fingerprint": asset.model_fingerprint,
        "model_bytes": asset.model_bytes,
        "view_folder": str(views.folder) if views else None,
        "viewpoint_ids": list(views.viewpoint_ids) if views else None,
        "view_fingerprint": views.fingerprint if views else None,
        "view_stamps": views.stamps if views and views.stamps else None,
        "attributes": json.dumps(_storable(asset.attributes), ensure_ascii=False, sort_keys=True),
        ADDED: asset.added,
    }


def asset_from_row(row: Mapping[str, Any], library: str = "", root: Path | None = None) -> Asset:
    """An asset from as many columns of its row as were read; what was not read is as if there were none.

    Args:
        row: Of the assets table.
        library: Name of its library.
        root: That library's folder, where known.
    """
    views = None
    if row.get("view_folder") is not None:
        views = ViewSet(
            folder=Path(row["view_folder"]),
            viewpoint_ids=tuple(row["viewpoint_ids"]),
            fingerprint=row["view_fingerprint"],
            root=root,
            stamps=row.get("view_stamps") or b"",
        )
    return Asset(
        asset_id=row["asset_id"],
        fingerprint=row["fingerprint"],
        captions_english=tuple(row.get("captions_english", ())),
        captions_chinese=tuple(row.get("captions_chinese", ())),
        model=row.get("model"),
        model_fingerprint=row.get("model_fingerprint"),
        model_bytes=row.get("model_bytes"),
        views=views,
        attributes=json.loads(row["attributes"]) if "attributes" in row else {},
        library=library,
        added=row.get(ADDED),
    )


class Viewpoints:
    """Reads lists of viewpoints, of which a million assets have few different ones: equal ones are one tuple.

    That is also much faster than Arrow makes lists of Python's numbers.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, ...]] = {}

    def of(self, numbers: NDArray[np.int16]) -> tuple[int, ...]:
        """The tuple of an array."""
        key = numbers.tobytes()
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = tuple(numbers.tolist())
        return known

    def rows_of(self, table: pa.Table) -> Iterator[dict[str, Any]]:
        """The rows of a table, of which ``viewpoint_ids`` may be a column."""
        for start in range(0, len(table), _ROWS):
            yield from self._rows_of(table.slice(start, _ROWS))

    def _rows_of(self, table: pa.Table) -> Iterator[dict[str, Any]]:
        if "viewpoint_ids" not in table.column_names:
            yield from table.to_pylist()
            return
        rows = table.drop_columns("viewpoint_ids").to_pylist()
        for row, ids in zip(rows, self._of_column(table["viewpoint_ids"]), strict=True):
            row["viewpoint_ids"] = ids
            yield row

    def _of_column(self, column: pa.ChunkedArray) -> Iterator[tuple[int, ...] | None]:
        for chunk in column.chunks:
            numbers, bounds = chunk.values.to_numpy(zero_copy_only=False), chunk.offsets.to_numpy()
            there = chunk.is_valid().to_numpy(zero_copy_only=False)
            for is_there, (start, end) in zip(there, pairwise(bounds), strict=True):
                yield self.of(numbers[start:end]) if is_there else None


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="ignore").decode()
    if isinstance(value, Mapping):
        return {_storable(key): _storable(inner) for key, inner in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_storable(inner) for inner in value] if isinstance(value, Sequence) else value
