"""Codes of all vectors in the memory of whoever searches: no graph to build, and no neighbourhood that none leads to.

Product codes (Jegou et al., 2011) scanned as faiss does (Andre et al., 2015), then finer ones, then exactly.
"""

from __future__ import annotations

from typing import ClassVar

from meshseek.store.codes.book import code_bytes
from meshseek.store.codes.steps import step_bytes
from meshseek.store.indexes import Graph, Index, NodeBytes

NUMBER_BYTES = 4
"""Of the asset that a view is of."""


class Codes(Index):
    """About 0.5 GB per million captions or assets of 768 dimensions and 0.4 GB per million views.

    On the disk of the database, and in a file that all processes map into memory.
    """

    has_codes: ClassVar[bool] = True
    captions_query: ClassVar[str] = "captions_of_candidates"
    views_query: ClassVar[str] = "views_of_candidates"

    def node(self, dim: int) -> NodeBytes:
        """Coarse and fine codes, and of views fine ones with the number of their asset."""
        return NodeBytes(memory=0, disk=code_bytes(dim), view=step_bytes(dim) + NUMBER_BYTES)

    def graphs(self, *, chinese: bool, dim: int) -> list[Graph]:
        """None."""
        del chinese, dim
        return []
