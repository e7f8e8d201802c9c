"""Search modes: each module here says what a query is compared with, and which queries it takes.

To add a mode, add one file with one :class:`Mode`; its name becomes a ``target``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from meshseek.errors import QueryError
from meshseek.model import Hit
from meshseek.plugins import Family
from meshseek.search.combinations import QUERY_TYPES, QueryType
from meshseek.search.duplicates import collapse

if TYPE_CHECKING:
    from meshseek.search.query import Query
    from meshseek.search.question import Question
    from meshseek.store.read.library import Library, Request
    from meshseek.store.read.published import Target

MAX_DEPTH = 1000
"""How far down the ranking pages reach."""
TIERS = (20, 200, MAX_DEPTH)
"""A page that ends within one of these depths is cut from a ranking of that depth: the first pages are quick."""
_SHOWN = {"english": "English words", "chinese": "Chinese words", "image": "a picture"}


class Mode(ABC):
    """One way of comparing. A mode that never asks the question for a vector costs no embedding."""

    accepts: ClassVar[frozenset[QueryType]] = QUERY_TYPES
    """The kinds of queries that it can answer; others are refused before anything is embedded."""
    likeness: ClassVar[Target | None] = "appearance"
    """The vector of an asset by which it finds others like it; None where it cannot."""

    @abstractmethod
    def rank(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """The first ``request.limit`` of the ranking: distinct assets, best first."""

    def search(self, library: Library, question: Question, query: Query) -> list[Hit]:
        """One page of the ranking. The pages of a query never overlap, and leave nothing out.

        A deeper ranking looks wider, so it may order the first assets otherwise: it only adds to the quicker ones. For
        the same reason copies are collapsed among the first 200 assets, and then among the others.
        """
        end = query.offset + query.top_k
        ranked: list[Hit] = []
        seen: set[str] = set()
        for depth in TIERS[1:] if query.collapsed else TIERS:
            hits = self.rank(library, question, query.request(depth))
            named = [question.first] if question.first and not seen else []
            more = list({hit.asset_id: hit for hit in (*named, *hits) if hit.asset_id not in seen}.values())
            seen.update(hit.asset_id for hit in more)
            if query.collapsed:
                more = collapse(more, library.appearances([hit.asset_id for hit in more]))
            ranked += more
            if end <= len(ranked) or len(hits) < depth:
                break
        return ranked[query.offset : end]


MODES: Family[Mode] = Family(__name__, Mode)  # type: ignore[type-abstract]


def mode_for(name: str, query_type: QueryType) -> type[Mode]:
    """The mode of a name, once it is sure that it answers this kind of query.

    Raises:
        UnknownPluginError: There is no such mode.
        QueryError: It does not; the message names those that do.
    """
    what = f"cannot be searched with {_SHOWN[query_type]}"
    return _checked(name, lambda mode: query_type in mode.accepts, what)


def mode_for_similar(name: str) -> type[Mode]:
    """The mode of a name, once it is sure that it can tell which assets are alike.

    Raises:
        UnknownPluginError: There is no such mode.
        QueryError: It cannot; the message names those that can.
    """
    return _checked(name, lambda mode: mode.likeness is not None, "cannot tell which assets are alike")


def _checked(name: str, fits: Callable[[type[Mode]], bool], otherwise: str) -> type[Mode]:
    mode = MODES.load(name)
    if not fits(mode):
        others = ", ".join(other for other in MODES.names if fits(MODES.load(other)))
        raise QueryError(f"the target '{name}' {otherwise}; choose one of: {others}")
    return mode
