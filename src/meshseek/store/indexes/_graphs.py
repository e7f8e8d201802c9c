"""What the kinds of graphs share."""

from __future__ import annotations

from psycopg import sql

from meshseek.store.indexes import Graph
from meshseek.store.queries import query

MEMORY_OF_LINKS = 1300
"""What a node of a graph takes in memory beside its vector, with 32 neighbours a layer (pgvector 0.8)."""
DISK_OF_LINKS = 600
"""The same on the disk: measured are 587 beside vectors of 1,536 bytes, and 504 beside bits of 96, at 20,000 nodes."""


def caption_graphs(name: str, *, chinese: bool, **fragments: sql.Composable) -> list[Graph]:
    """One graph for each caption language, over all captions.

    Args:
        name: Of the query, which takes the ``name`` of the index, the ``column`` of the language and the ``other`` one.
        chinese: Whether there are Chinese caption vectors.
        fragments: What else the query takes.
    """
    columns = ("english_embedding", "chinese_embedding")
    made = [
        query(
            name,
            name=sql.Identifier(f"text_embeddings_{column}"),
            column=sql.Identifier(column),
            other=sql.Identifier(other),
            **fragments,
        )
        for column, other in ([columns, columns[::-1]] if chinese else [columns])
    ]
    return [Graph("text_embeddings", statement) for statement in made]
