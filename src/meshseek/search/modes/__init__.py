"""Search modes: each module here says what a query is compared with, and which queries it takes.

To add a mode, add one file with one :class:`Mode`; its name becomes a ``target``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from meshseek.errors import QueryError
from meshseek.model import RELEVANCES, Ranked
from meshseek.plugins import Family
from meshseek.rerankers import MAX_CANDIDATES
from meshseek.search import diversity
from meshseek.search.combinations import QUERY_TYPES
from meshseek.search.duplicates import collapse
from meshseek.search.sizes import SIZED, preferred
from meshseek.store.read.published import QueryType

if TYPE_CHECKING:
    from meshseek.search.asking import Judging
    from meshseek.search.query import Query
    from meshseek.search.question import Question
    from meshseek.store.read.background import Scale
    from meshseek.store.read.library import Library, Request
    from meshseek.store.read.published import Target

MAX_DEPTH = 1000
"""How far down the ranking pages reach."""
TIERS = (20, 200, MAX_DEPTH)
"""A page that ends within one of these depths is cut from a ranking of that depth: the first pages are quick."""
DIVERSE_TIERS = (diversity.DEPTH, 200, MAX_DEPTH)
"""The same where neighbours are to differ."""
SIZED_TIERS = (SIZED, 200, MAX_DEPTH)
"""The same where a size is wished."""
_SHOWN = {"english": "English words", "chinese": "Chinese words", "image": "a picture"}


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a ranking, and the duplicates of those that have any."""

    ranking: Sequence[Ranked]
    duplicates: Mapping[str, tuple[str, ...]]
    best: Sequence[Ranked]
    """The first of the whole ranking, whichever page this is."""
    head: Sequence[Ranked] = ()
    """Likewise, as many as a reranker is given; none where nobody asked for one."""
    counted: Sequence[Ranked] = ()
    """The first 200 of the ranking before any changed places, where facets were asked for."""

    @classmethod
    def of(cls, ranking: Sequence[Ranked]) -> Page:
        """All of a ranking."""
        return cls(ranking, {}, ranking)

    @property
    def ids(self) -> list[str]:
        """Those of its assets."""
        return [ranked.asset_id for ranked in self.ranking]

    @property
    def with_head(self) -> Page:
        """The first of the whole ranking, then the rest of the page."""
        first = {ranked.asset_id for ranked in self.head}
        rest = [ranked for ranked in self.ranking if ranked.asset_id not in first]
        return replace(self, ranking=[*self.head, *rest])


class Mode(ABC):
    """One way of comparing. A mode that never asks the question for a vector costs no embedding."""

    accepts: ClassVar[frozenset[QueryType]] = QUERY_TYPES
    """The kinds of queries that it can answer; others are refused before anything is embedded."""
    likeness: ClassVar[Target | None] = "appearance"
    """The vector of an asset by which it finds others like it; None where it cannot."""

    ranks_once: ClassVar[bool] = False
    """Whether a ranking is so much work that none is made only to count what it holds."""

    fits_first: bool = False
    """Whether what fits better stands first in a ranking, whatever the scores; then nothing changes that."""

    @abstractmethod
    def rank(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """The first ``request.limit`` of the ranking: distinct assets, best first."""

    def scores(self, library: Library, question: Question, asset_ids: Sequence[str]) -> list[Ranked]:
        """What :meth:`rank` would say of some assets, of those that have what is compared; in no order."""
        from meshseek.store.read.plan import Request as Asked  # noqa: PLC0415  # the command line lists modes without

        wanted = {*asset_ids}
        everything = self.rank(library, question, Asked(limit=MAX_DEPTH))
        return [ranked for ranked in everything if ranked.asset_id in wanted]

    def scale(self, library: Library, question: Question) -> Scale | None:
        """Mean and deviation of the scores of assets taken at random; None where they are not known.

        They say how much a score is, where something else is weighed against it, such as a size or another query.
        """
        del library, question
        return None

    def deviation(self, library: Library, question: Question) -> float | None:
        """By how much the scores of assets taken at random differ; None where that is not known."""
        scale = self.scale(library, question)
        return None if scale is None else scale.deviation

    def search(self, library: Library, question: Question, query: Query, judge: Judging) -> Page:
        """One page of the ranking. The pages of a query never overlap, and leave nothing out.

        A deeper ranking looks wider, so it may order the first assets otherwise: it only adds to the quicker ones. For
        the same reason copies are collapsed among the first 200 assets, and then among the others; and facets are
        counted in a ranking that the page is cut from.
        """
        end = query.offset + query.top_k
        judged = 0 if query.rerank is None else MAX_CANDIDATES
        page: list[Ranked] = []
        counted: list[Ranked] = []
        left_out = query.left_out
        seen = {*left_out}
        duplicates: dict[str, tuple[str, ...]] = {}
        tiers = SIZED_TIERS if query.size else DIVERSE_TIERS if query.is_diverse else TIERS
        for depth in tiers[1:] if query.collapsed or query.facets else tiers:
            ranking = self.ranked(library, question, query.request(depth))
            counted = counted or [each for each in ranking if each.asset_id not in left_out]
            more = list({each.asset_id: each for each in ranking if each.asset_id not in seen}.values())
            if not page:
                more = self._reordered(library, question, query, judge, more)
            seen.update(each.asset_id for each in more)
            if query.collapsed:
                more, copies = collapse(more, library.appearances([each.asset_id for each in more]))
                duplicates |= copies
            page += more
            if max(end, judged) <= len(page) or len(ranking) < depth:
                break
        shown = page[query.offset : end]
        return Page(shown, duplicates, page[: TIERS[0]], page[:judged], counted if query.facets else ())

    def ranked(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """The same as :meth:`rank`, behind the asset that the query names by its id, if it passes."""
        return _with_first(question.first, self.rank(library, question, request))

    def _reordered(
        self, library: Library, question: Question, query: Query, judge: Judging, ranking: Sequence[Ranked]
    ) -> list[Ranked]:
        """A ranking whose first assets changed places for the sake of a size, or of variety."""
        if query.size is not None:
            sizes = library.sizes([ranked.asset_id for ranked in ranking[:SIZED]])
            ranking = preferred(ranking, sizes, query.size, self.deviation(library, question))
            if self.fits_first:
                ranking = sorted(ranking, key=lambda ranked: self._grade(judge, ranked))
        if query.is_diverse:
            head = ranking[: diversity.DEPTH]
            grades = [self._grade(judge, ranked) for ranked in head]
            vectors = library.likeness([ranked.asset_id for ranked in head])
            judged = 0 if query.rerank is None else MAX_CANDIDATES
            needed = max(query.offset + query.top_k, TIERS[0], judged)
            count = diversity.DEPTH if query.collapsed else needed
            ranking = diversity.diversified(ranking, vectors, count, grades)
        return list(ranking)

    def _grade(self, judge: Judging, ranked: Ranked) -> int:
        """How well an asset fits, as far as nothing that fits less comes before it for its size or for variety."""
        relevance = judge.relevance(ranked)
        return RELEVANCES.index(relevance) if self.fits_first else int(relevance == RELEVANCES[-1])


def _with_first(first: Ranked | None, ranking: list[Ranked]) -> list[Ranked]:
    """The asset that was asked for by its id before all others, with the parts that the ranking gave it."""
    if first is None:
        return ranking
    ranked = next((each for each in ranking if each.asset_id == first.asset_id), first)
    return [replace(ranked, is_named=True), *(each for each in ranking if each.asset_id != first.asset_id)]


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
