"""Search modes: each module here says what a query vector is compared with.

To add a mode, add one file with one :class:`Mode`; its name becomes a ``target``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meshseek.model import Hit
from meshseek.plugins import Family
from meshseek.search.combinations import QueryType
from meshseek.search.query import MAX_DEPTH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from meshseek.store.library import Library, Published, Request

SHALLOW = 100
"""Pages that end here or before are cut from one quick ranking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query after embedding."""

    vector: NDArray[np.float32]
    """Unit vector, shape ``(dim,)``."""
    query_type: QueryType
    published: Published


class Mode(ABC):
    """One way of comparing."""

    @abstractmethod
    def rank(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """The first ``request.limit`` of the ranking: distinct assets, best first; no heed is paid to the offset."""

    def search(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """One page of the ranking. The pages of a query never overlap, and leave nothing out.

        A deeper ranking looks wider, so it may order the first assets otherwise: it only adds to the quick one.
        """
        end = request.offset + request.limit
        if end <= SHALLOW:
            return self.rank(library, question, replace(request, limit=end))[request.offset :]
        first = self.rank(library, question, replace(request, limit=SHALLOW))
        known = {hit.asset_id for hit in first}
        deep = self.rank(library, question, replace(request, limit=MAX_DEPTH))
        return [*first, *(hit for hit in deep if hit.asset_id not in known)][request.offset : end]


MODES: Family[Mode] = Family(__name__, Mode)  # type: ignore[type-abstract]
