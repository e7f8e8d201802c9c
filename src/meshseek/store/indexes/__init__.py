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

    from meshseek.store.postgres import Connection


@dataclass(frozen=True, slots=True)
class NodeBytes:
    """What a vector takes in a graph."""

    memory: int
    """Bytes while the graph is built."""
    disk: int
    """Bytes of the finished one, which searches want in memory."""
    view: int = 0
    """Bytes beside that of each view, on the disk, and wanted in memory."""


@dataclass(frozen=True, slots=True)
class Graph:
    """One index to build: the table whose vectors it holds, and the statement that makes it."""

    table: str
    statement: sql.Composed


class Index(ABC):
    """One kind of index."""

    is_exact: ClassVar[bool] = False
    """Whether it compares with everything, so that there is nothing to build or to tune."""
    has_codes: ClassVar[bool] = False
    """Whether candidates come from codes in the memory of whoever searches; its queries take their ``ids``."""
    captions_query: ClassVar[str]
    """Name of the query for the nearest captions."""
    views_query: ClassVar[str]
    """Name of the query for the nearest assets by their views."""

    def prepare(self, connection: Connection, dim: int) -> None:  # noqa: B027  # most kinds need nothing
        """Make what the graphs need, in the schema that is first in the search path; nothing, unless overridden."""

    @abstractmethod
    def node(self, dim: int) -> NodeBytes:
        """What each caption, and each centroid, of this length takes in the index, beside its row in the table."""

    @abstractmethod
    def graphs(self, *, chinese: bool, dim: int) -> Sequence[Graph]:
        """What is built after the load, in the schema that is first in the search path.

        Args:
            chinese: Whether there are Chinese caption vectors.
            dim: Length of a vector.
        """


INDEXES: Family[Index] = Family(__name__, Index)  # type: ignore[type-abstract]
DEFAULT_INDEX = "hnsw"
LARGE_INDEX = "codes"
LARGE = 50_000
"""Libraries of so many assets and more get the other kind, unless somebody says otherwise (``docs/decisions/0028``)."""


def default_index(assets: int) -> str:
    """The kind for a library of so many assets of which nobody has said one, and none is published."""
    return DEFAULT_INDEX if assets < LARGE else LARGE_INDEX


def default_in_words() -> str:
    """The same for people who read of the option."""
    return f"{DEFAULT_INDEX}, from {LARGE:,} assets on {LARGE_INDEX}"
