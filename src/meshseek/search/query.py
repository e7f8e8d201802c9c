"""One search as a validated value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meshseek.errors import QueryError
from meshseek.language import detect_language, is_searchable
from meshseek.model import RELEVANCES, Condition, Language, Relevance
from meshseek.rerankers import RERANKERS
from meshseek.search.combinations import MODE
from meshseek.search.faceting import check_facets
from meshseek.search.filters import Filters, conditions
from meshseek.search.modes import MAX_DEPTH, mode_for
from meshseek.search.phrases import phrases
from meshseek.search.sizes import Size, take_size
from meshseek.store.read.library import Request
from meshseek.store.read.published import QueryType

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_TEXT = 1000
MAX_TOP_K = 200
MAX_PHRASES = 8
"""Each one is counted before the search, and is a condition of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched, and how.

    Raises:
        QueryError: On construction, when any part of it cannot be searched.
        UnknownPluginError: Likewise, where its target is no search mode, or no reranker has the name.
    """

    text: str | None = None
    """A NUL character in it, which no database takes, becomes a blank."""
    image: Image | None = None
    language: Language | None = None
    """Language of the text; None tells it by the script."""
    cross_modal: bool | None = None
    """Compare a text with views, or an image with captions; or only with its own kind. None leaves it open."""
    target: str | None = None
    """Name of a search mode; wins over ``cross_modal``."""
    top_k: int = 10
    offset: int = 0
    filters: Filters = field(default_factory=dict)
    exact: bool = False
    collapsed: bool = False
    """Assets that look the same count as one result."""
    diverse: bool | None = None
    """Neighbours in the ranking are to differ; None where that suits: for words, unless ``exact``."""
    min_relevance: Relevance | None = None
    """Leave out what fits less; None leaves nothing out."""
    size: Size | None = None
    """What size assets should be about; None takes one that the text names, as in ``chair size~60x60x90``."""
    explain: bool = False
    """Tell of each result what its score rests on."""
    facets: Sequence[str] = ()
    """Fields whose values are counted among the first results."""
    rerank: str | None = None
    """Name of a reranker that looks at the first results again; None leaves the order as it is."""
    free: bool = False
    """Whoever asks may not spend money: what would have to be paid is refused."""

    def __post_init__(self) -> None:
        if (self.text is None) == (self.image is None):
            raise QueryError("give either a text or an image")
        if self.text is not None:
            object.__setattr__(self, "text", self.text.replace("\0", " "))
            check_text(self.text)
            words, named = take_size(self.text)
            if named is not None:
                check_text(words)
                object.__setattr__(self, "text", words)
                object.__setattr__(self, "size", self.size or named)
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise QueryError(f"top_k is {self.top_k}; choose 1 to {MAX_TOP_K}")
        if not 0 <= self.offset <= MAX_DEPTH - self.top_k:
            raise QueryError(f"offset is {self.offset}; pages reach from 0 to result {MAX_DEPTH}")
        if self.min_relevance not in (None, *RELEVANCES):
            raise QueryError(f"min_relevance is '{self.min_relevance}'; choose one of: {', '.join(RELEVANCES)}")
        if self.rerank is not None:
            RERANKERS.check(self.rerank)
        conditions(self.filters)
        check_facets(self.facets)
        mode_for(self.mode, self.query_type)

    @property
    def resolved_language(self) -> Language:
        """The language whose captions are compared first; English for an image."""
        return self.language or detect_language(self.text or "")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What assets must be like; a quoted phrase must be among their words."""
        return (*conditions(self.filters), *phrases(self.text or ""))

    @property
    def query_type(self) -> QueryType:
        """The language of the text, or ``image``."""
        return "image" if self.text is None else self.resolved_language

    @property
    def mode(self) -> str:
        """Name of the search mode."""
        return MODE[self.query_type, self.cross_modal] if self.target is None else self.target

    @property
    def is_diverse(self) -> bool:
        """Whether neighbours in the ranking are to differ."""
        return self.text is not None and not self.exact if self.diverse is None else self.diverse

    def request(self, depth: int) -> Request:
        """What the store is asked for the first so many of the ranking."""
        return Request(limit=depth, conditions=self.conditions, exact=self.exact)


def check_text(text: str) -> None:
    """Refuse a text that cannot be searched.

    Raises:
        QueryError: It is empty, too long, or in neither language, or has too many phrases.
    """
    if not text.strip():
        raise QueryError("the query is empty; type some words")
    if len(text) > MAX_TEXT:
        raise QueryError(f"the query has {len(text)} characters; use at most {MAX_TEXT}")
    if not is_searchable(text):
        raise QueryError("the query has no English or Chinese words; type some in either language")
    quoted = len(phrases(text))
    if quoted > MAX_PHRASES:
        raise QueryError(f"the query has {quoted} phrases in quotes; use at most {MAX_PHRASES}")
