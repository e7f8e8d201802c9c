"""HNSW graphs on captions and on the centroids of views (Malkov and Yashunin, 2016, as pgvector builds them).

Views are searched in two stages: the nearest centroids by the graph, then every view of those assets exactly.
"""

from __future__ import annotations

from typing import ClassVar

from meshseek.store.indexes import Graph, Index, NodeBytes
from meshseek.store.indexes._graphs import DISK_OF_LINKS, MEMORY_OF_LINKS, caption_graphs
from meshseek.store.queries import query


class Hnsw(Index):
    """About 2 GB per million vectors of 768 dimensions."""

    captions_query: ClassVar[str] = "captions_hnsw"
    views_query: ClassVar[str] = "views_two_stage"

    def node(self, dim: int) -> NodeBytes:
        """Halves, and links."""
        return NodeBytes(memory=2 * dim + MEMORY_OF_LINKS, disk=2 * dim + DISK_OF_LINKS)

    def graphs(self, *, chinese: bool, dim: int) -> list[Graph]:
        """One graph for each caption language and one for the centroids."""
        del dim
        captions = caption_graphs("index_captions", chinese=chinese)
        return [*captions, Graph("asset_centroids", query("index_centroids"))]
