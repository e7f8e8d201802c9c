"""How much disk the tables of ``schema.sql`` take, told from their columns; compared with PostgreSQL by a test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

PAGE, PAGE_ROOM = 8192, 8168
HEADER, POINTER = 24, 4
ALIGNED = 8
VECTOR_HEADER = 8
TOAST_ROW, TOAST_CHUNK = 2000, 1996
"""Beyond so many bytes a row's vector is stored beside it, in chunks."""
ARRAY_HEADER = 21
LABELS = 5
"""Values that filters know an asset by, in the mean: category, creator, licence, library and tags."""
NUMBERS = 4
"""Faces, width, depth and height."""
FILLED = 0.7
"""Of a page of an index that grew in no order."""
NUMBER_ENTRY = 23
"""Bytes of an asset in the index of a number; measured with 100,000 assets."""
NAME_ENTRY, WORD_ENTRY, WORD_ROW = 120, 220, 120
"""Bytes of an asset in the indexes of its names and its words, and in their table beside its captions: between those of
100,000 renders with a caption each, 125,000 made-up assets with names and tags, and 1,500 of these.
"""
DUPLICATE_ENTRY = 6.6
"""Bytes of one more view of the same asset in an index that keeps equal keys together."""
EMPTY_TABLE, EMPTY_INDEX = 4 * PAGE, 2 * PAGE
"""With the map of its free room, and with its first page."""
LABEL_ENTRY = 4.5
"""Of one value of an asset in the index of labels."""
ASSET_ROW = 200
"""Of an asset beside its captions, attributes and viewpoints: folder of its views, name of its model, digest."""
SORTED_NAME, ORDERS, BUILT = 24, 3, 0.9
"""Bytes of a name as a catalogue is sorted by it; numbers that it is sorted by; and what is filled of a page of an
index that is built when all rows are there."""
CODE_ASSET, CODE_ROW = 14, 6
"""Beside an asset's id, labels and numbers: their lengths and a hash; and beside a code the numbers of its asset and of
its list."""
INDEXES_OF = {
    "assets": 1,
    "asset_words": 3,
    "listed": 3 + ORDERS,
    "text_embeddings": 2 + NUMBERS,
    "image_embeddings": 1,
    "asset_centroids": 2 + NUMBERS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is stored."""

    dim: int
    assets: int
    captioned: int
    languages: int
    """Of caption vectors: 1 or 2."""
    views: int
    centroids: int
    pictures: int
    """Viewpoints that are named, whether they have a vector of their own or not."""
    id_bytes: float
    caption_bytes: float
    attribute_bytes: float


def table_bytes(rows: Rows) -> Mapping[str, int]:
    """Bytes of each table with its indexes, but those that compare vectors."""
    vector = VECTOR_HEADER + 2 * rows.dim
    identity = _aligned(1 + rows.id_bytes, 4)
    labels = _aligned(ARRAY_HEADER + 4 * LABELS, 4)
    key = (12 + _aligned(9 + rows.id_bytes, ALIGNED)) / FILLED
    filtered = key + NUMBERS * NUMBER_ENTRY + LABEL_ENTRY * LABELS
    each = rows.pictures / max(1, rows.assets)
    asset = ASSET_ROW + rows.id_bytes + rows.caption_bytes + rows.attribute_bytes + 2 * each
    words = WORD_ROW + rows.id_bytes + 1.5 * rows.caption_bytes
    repeated = DUPLICATE_ENTRY + (12 + _aligned(9 + rows.id_bytes, ALIGNED)) / max(
        1.0, rows.views / max(1, rows.assets)
    )
    bits = HEADER + ALIGNED  # of a row with nulls
    by_number, by_name = (12 + _aligned(size + rows.id_bytes, ALIGNED) for size in (9, 2 + SORTED_NAME))
    ordered = (ORDERS * by_number + by_name) / BUILT
    sizes = {
        "assets": _heap(rows.assets, asset) + rows.assets * key,
        "asset_words": _heap(rows.assets, words) + rows.assets * (key + NAME_ENTRY + WORD_ENTRY),
        "listed": _heap(rows.assets, bits + identity + 1 + SORTED_NAME + 8 + 4 + labels + 4 * NUMBERS)
        + rows.assets * (key + ordered + LABEL_ENTRY * LABELS),
        "text_embeddings": _stored(rows.captioned, bits + identity + 4 + labels, vector, rows.languages)
        + rows.captioned * filtered,
        "image_embeddings": _stored(rows.views, HEADER + identity + 8, vector, 1) + rows.views * repeated,
        "asset_centroids": _stored(rows.centroids, HEADER + identity + 4 + labels + 4 * NUMBERS, vector, 1)
        + rows.centroids * filtered,
    }
    return {name: int(size + EMPTY_TABLE + INDEXES_OF[name] * EMPTY_INDEX) for name, size in sizes.items()}


def code_bytes(rows: Rows, each: int, view: int) -> int:
    """Bytes of the table ``codes``; those of its content are in memory as well.

    Args:
        rows: What there are codes of.
        each: Bytes of the code of a caption or a centroid.
        view: Of that of a view, with the number of its asset.
    """
    asset = rows.id_bytes + CODE_ASSET + 4 * LABELS + 4 * NUMBERS
    found = rows.languages * rows.captioned + rows.centroids
    content = rows.assets * asset + found * (each + CODE_ROW) + rows.views * view
    return int(content * (PAGE / 4 + 28) / TOAST_CHUNK + EMPTY_TABLE + 2 * EMPTY_INDEX)


def _stored(rows: int, others: float, vector: int, vectors: int) -> float:
    """Bytes of rows with vectors, which go out of line where they do not fit into a page."""
    if 2 * vector < PAGE_ROOM:
        return _heap(rows, others + vectors * vector)
    chunks = math.ceil(vector / TOAST_CHUNK)
    return _heap(rows, others + vectors * 20) + rows * vectors * chunks * (PAGE / 4 + 28)


def _heap(rows: int, row: float) -> float:
    whole = _aligned(row, ALIGNED) + POINTER
    return math.ceil(rows / max(1, PAGE_ROOM // whole)) * PAGE


def _aligned(size: float, to: int) -> float:
    return math.ceil(size / to) * to
