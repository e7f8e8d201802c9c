"""HNSW graphs on captions and on the centroids of views (Malkov and Yashunin, 2016, as pgvector builds them).

Views are searched in two stages: the nearest centroids by the graph, then every view of those assets exactly.
"""

from __future__ import annotations

from typing import ClassVar

from psycopg import sql

from meshseek.store.indexes import Graph, Index
from meshseek.store.queries import query


class Hnsw(Index):
    """About 2 GB per million vectors of 768 dimensions."""

    captions_query: ClassVar[str] = "captions_hnsw"
    views_query: ClassVar[str] = "views_two_stage"

    def graphs(self, *, chinese: bool, dim: int) -> list[Graph]:
        """One graph for each caption language and one for the centroids."""
        del dim
        columns = [("english_embedding", "chinese_embedding")]
        if chinese:
            columns.append(("chinese_embedding", "english_embedding"))
        captions = [
            query(
                "index_captions",
                name=sql.Identifier(f"text_embeddings_{column}"),
                column=sql.Identifier(column),
                other=sql.Identifier(other),
            )
            for column, other in columns
        ]
        graphs = [Graph("text_embeddings", statement) for statement in captions]
        return [*graphs, Graph("asset_centroids", query("index_centroids"))]
