"""What a library takes on the disk, and what of it searches want in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshseek.pipeline.planning.algorithms import Facts
from meshseek.pipeline.planning.amounts import Amounts
from meshseek.store.footprint import Rows, code_bytes, table_bytes
from meshseek.store.indexes import INDEXES

SHARD_ASSET_BYTES, TEXT_SHARE = 45, 0.35
"""Of an asset in its shard, which is compressed, beside this share of its texts; the listing is among it. 100,000."""
BROUGHT_PICTURE = 9.5
"""Beside it for each picture that came with the library: its size and time. 4,096 assets with 8 or 40 made-up ones."""
CAPTION_ROW, ASSET_VIEWS, VIEW_ROW = 60, 13, 2
"""Bytes beside a caption's vector, beside all views of an asset, and beside each: 100,000 assets of 8 views."""
PICTURE_BYTES = 32_500
"""Of a picture of 512 pixels with its camera, as ``embree`` renders furniture: 6,560 pictures."""
CODES = "file of codes"
COMPARED = ("image_embeddings", "asset_centroids", "text_embeddings")
"""What each search reads without an index; by a graph it compares views, and by codes those of a few assets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Bytes."""

    workspace: Mapping[str, int]
    """By the folder in the workspace."""
    database: Mapping[str, int]
    """By table, with its plain indexes; by graph; and codes."""
    graphs: Mapping[str, int]
    """Vectors in each graph that is built."""
    needed: int
    """Of the database what each search reads; less in memory makes searches slower, and changes no answer."""


def storage_of(amounts: Amounts, facts: Facts, index_kind: str) -> Storage:
    """Tell it.

    Args:
        amounts: How much there is.
        facts: Of the algorithm.
        index_kind: What the library is asked by.
    """
    graphs = _graphs(amounts, facts.dim, index_kind)
    index = INDEXES.load(index_kind)()
    rows = Rows(
        dim=facts.dim,
        assets=amounts.assets,
        captioned=amounts.captioned,
        languages=1 + (amounts.chinese > 0),
        views=amounts.views,
        centroids=amounts.with_views,
        pictures=amounts.viewpoints,
        id_bytes=amounts.id_bytes,
        caption_bytes=amounts.caption_bytes,
        attribute_bytes=amounts.attribute_bytes,
    )
    tables = table_bytes(rows)
    node = index.node(facts.dim)
    made = {f"graph of {name}": count * node.disk for name, count in graphs.items()}
    if index.has_codes:
        made = {"codes": code_bytes(rows, node.disk, node.view)}
    compared = () if index.has_codes else COMPARED if index.is_exact else ("image_embeddings",)
    needed = sum(made.values()) + sum(tables[name] for name in compared)
    files = _files(amounts, facts)
    if index.has_codes:
        files[CODES] = made["codes"]  # the same once more, for all processes that search
    return Storage(workspace=files, database={**tables, **made}, graphs=graphs, needed=needed)


def _graphs(amounts: Amounts, dim: int, index_kind: str) -> dict[str, int]:
    chinese = amounts.chinese > 0
    built = [graph.table for graph in INDEXES.load(index_kind)().graphs(chinese=chinese, dim=dim)]
    languages = ["english captions", "chinese captions"][: built.count("text_embeddings")]
    graphs = dict.fromkeys(languages, amounts.captioned)
    if "asset_centroids" in built:
        graphs["centroids"] = amounts.with_views
    return {name: count for name, count in graphs.items() if count}


def _files(amounts: Amounts, facts: Facts) -> dict[str, int]:
    texts = amounts.id_bytes + amounts.caption_bytes + amounts.attribute_bytes
    vector = 2 * facts.dim
    files = {
        "assets": amounts.assets * (SHARD_ASSET_BYTES + TEXT_SHARE * texts) + amounts.brought * BROUGHT_PICTURE
        if amounts.table_bytes is None
        else amounts.table_bytes,
        "models": amounts.model_bytes,
        "views": amounts.kept * PICTURE_BYTES,
        "vectors of captions": (amounts.english + amounts.chinese) * (vector + CAPTION_ROW),
        "vectors of views": amounts.views * (vector + VIEW_ROW) + amounts.with_views * ASSET_VIEWS,
    }
    return {name: int(size) for name, size in files.items()}
