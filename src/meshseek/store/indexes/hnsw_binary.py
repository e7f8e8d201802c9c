"""HNSW graphs on one bit a dimension: the sign about the mean, since all vectors of a modality lie on one side of zero.

The nearest by their bits are compared exactly, and among views searched as by ``hnsw`` from there on.
"""

from __future__ import annotations

from typing import ClassVar

from psycopg import sql

from meshseek.store.indexes import Graph, Index, NodeBytes
from meshseek.store.indexes._graphs import DISK_OF_LINKS, MEMORY_OF_LINKS, caption_graphs
from meshseek.store.postgres import Connection
from meshseek.store.queries import query


class HnswBinary(Index):
    """About 0.6 GB per million vectors of 768 dimensions, a quarter of ``hnsw``; slower at equal recall."""

    captions_query: ClassVar[str] = "captions_binary"
    views_query: ClassVar[str] = "views_binary"

    def prepare(self, connection: Connection, dim: int) -> None:
        """Make the functions that tell the bits of a caption and of a centroid."""
        for name, mean in (("caption_bits", query("mean_caption")), ("centroid_bits", query("mean_centroid"))):
            row = connection.execute(mean).fetchone()
            value = sql.Literal(row[0] if row and row[0] is not None else f"[{','.join(['0'] * dim)}]")
            connection.execute(query("make_bits", name=sql.Identifier(name), dim=sql.Literal(dim), mean=value))

    def node(self, dim: int) -> NodeBytes:
        """Bits, and links."""
        return NodeBytes(memory=dim // 8 + MEMORY_OF_LINKS, disk=dim // 8 + DISK_OF_LINKS)

    def graphs(self, *, chinese: bool, dim: int) -> list[Graph]:
        """One graph for each caption language and one for the centroids."""
        length = sql.Literal(dim)
        captions = caption_graphs("index_caption_bits", chinese=chinese, dim=length)
        return [*captions, Graph("asset_centroids", query("index_centroid_bits", dim=length))]
