"""Search modes: each module here says what a query vector is compared with.

To add a mode, add one file with one :class:`Mode`; its name becomes a ``target``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from meshseek.model import Hit
from meshseek.plugins import Family
from meshseek.search.combinations import QueryType
from meshseek.search.duplicates import collapse
from meshseek.search.query import MAX_DEPTH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from meshseek.store.read.library import Library, Request
    from meshseek.store.read.published import Published, QueryKind, Target

TIERS = (20, 200, MAX_DEPTH)
"""A page that ends within one of these depths is cut from a ranking of that depth: the first pages are quick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query after embedding."""

    vector: NDArray[np.float32]
    """Unit vector, shape ``(dim,)``."""
    query_type: QueryType
    published: Published
    text: str | None = None
    """The words as they were typed; None where a picture is searched."""
    own: Mapping[Target, NDArray[np.float32]] = field(default_factory=dict)
    """Where an asset is asked for: its own vectors."""
    first: Hit | None = None
    """What stands before all others, whatever the ranking says."""

    def vector_for(self, target: Target) -> NDArray[np.float32]:
        """The vector to compare with, shape ``(dim,)``."""
        return self.own.get(target, self.vector)

    @property
    def kind(self) -> QueryKind:
        """What its vector was made from; texts and pictures are not equally hard for an index."""
        return "image" if self.query_type == "image" else "text"


class Mode(ABC):
    """One way of comparing."""

    @abstractmethod
    def rank(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """The first ``request.limit`` of the ranking: distinct assets, best first; no heed is paid to the offset."""

    def search(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """One page of the ranking. The pages of a query never overlap, and leave nothing out.

        A deeper ranking looks wider, so it may order the first assets otherwise: it only adds to the quicker ones. For
        the same reason copies are collapsed among the first 200 assets, and then among the others.
        """
        end = request.offset + request.limit
        found: list[Hit] = []
        seen: set[str] = set()
        for depth in TIERS[1:] if request.collapsed else TIERS:
            hits = self.rank(library, question, replace(request, limit=depth))
            named = [question.first] if question.first and not seen else []
            more = list({hit.asset_id: hit for hit in (*named, *hits) if hit.asset_id not in seen}.values())
            seen.update(hit.asset_id for hit in more)
            if request.collapsed:
                more = collapse(more, library.appearances([hit.asset_id for hit in more]))
            found += more
            if end <= len(found) or len(hits) < depth:
                break
        return found[request.offset : end]


MODES: Family[Mode] = Family(__name__, Mode)  # type: ignore[type-abstract]
