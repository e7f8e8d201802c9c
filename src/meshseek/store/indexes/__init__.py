"""Index kinds: each module here says how an index is built and how it is asked.

To add a kind, add one file with one :class:`Index`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from meshseek.plugins import Family

if TYPE_CHECKING:
    from psycopg import sql


@dataclass(frozen=True, slots=True)
class Graph:
    """One index to build: the table whose vectors it holds, and the statement that makes it."""

    table: str
    statement: sql.Composed


class Index(ABC):
    """One kind of index."""

    captions_query: ClassVar[str]
    """Name of the query for the nearest captions."""
    views_query: ClassVar[str]
    """Name of the query for the nearest assets by their views."""

    @abstractmethod
    def graphs(self, *, chinese: bool) -> Sequence[Graph]:
        """What is built after the load, in the schema that is first in the search path.

        Args:
            chinese: Whether there are Chinese caption vectors.
        """


INDEXES: Family[Index] = Family(__name__, Index)  # type: ignore[type-abstract]
