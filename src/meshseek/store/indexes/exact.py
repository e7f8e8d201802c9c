"""No index: every vector is compared. Slow for large libraries, and the measure of all others."""

from __future__ import annotations

from typing import ClassVar

from meshseek.store.indexes import Index
from meshseek.store.postgres import Connection


class Exact(Index):
    """Compares with every vector; needs no memory beyond the tables."""

    captions_query: ClassVar[str] = "captions_exact"
    views_query: ClassVar[str] = "views_exact"

    def build(self, connection: Connection, *, chinese: bool) -> None:
        """Build nothing."""
