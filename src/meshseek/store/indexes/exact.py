"""No index: every vector is compared. Slow for large libraries, and the measure of all others."""

from __future__ import annotations

from typing import ClassVar

from meshseek.store.indexes import Graph, Index, NodeBytes


class Exact(Index):
    """Compares with every vector; needs no memory beyond the tables."""

    is_exact: ClassVar[bool] = True
    captions_query: ClassVar[str] = "captions_exact"
    views_query: ClassVar[str] = "views_exact"

    def node(self, dim: int) -> NodeBytes:
        """Nothing."""
        del dim
        return NodeBytes(memory=0, disk=0)

    def graphs(self, *, chinese: bool, dim: int) -> list[Graph]:
        """Nothing."""
        del chinese, dim
        return []
