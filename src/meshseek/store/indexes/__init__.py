"""Index kinds: each module here says how an index is built and how it is asked.

To add a kind, add one file with one :class:`Index`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from meshseek.plugins import Family

if TYPE_CHECKING:
    from meshseek.store.postgres import Connection


class Index(ABC):
    """One kind of index."""

    captions_query: ClassVar[str]
    """Name of the query for the nearest captions."""
    views_query: ClassVar[str]
    """Name of the query for the nearest assets by their views."""

    @abstractmethod
    def build(self, connection: Connection, *, chinese: bool) -> None:
        """Build after the load, in the schema that is first in the search path.

        Args:
            connection: Open on the database that is being published.
            chinese: Whether there are Chinese caption vectors.
        """


INDEXES: Family[Index] = Family(__name__, Index)  # type: ignore[type-abstract]
