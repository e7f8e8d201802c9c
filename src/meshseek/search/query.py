"""One search as a validated value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from meshseek.errors import QueryError
from meshseek.language import detect_language, is_searchable
from meshseek.model import RELEVANCES, Condition, Language, Relevance
from meshseek.rerankers import RERANKERS
from meshseek.search.combinations import MODE
from meshseek.search.faceting import check_facets
from meshseek.search.filters import Filters, conditions
from meshseek.search.modes import MAX_DEPTH, mode_for
from meshseek.search.parts import QueryPart, shares
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
class Share:
    """A part of a combined query."""

    query: Query
    """That asks for this part alone, with the options of the whole."""
    weight: float
    """Those above 0 add up to 1."""
    places: tuple[int, ...] = (1,)
    """Which of the parts it is, from 1 on; several where the same was given more than once."""


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
    asset_id: str | None = None
    """Id of an asset, which comes first, and then what is like it."""
    parts: Sequence[QueryPart] = ()
    """Instead of one of these, several of them together."""
    others_only: bool = False
    """Leave out the assets that are asked for by their ids."""
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
    split: Sequence[Share] = field(init=False, repr=False, compare=False, default=())
    """Of a query in parts: each as a query of its own, in an order that is not the caller's."""

    def __post_init__(self) -> None:
        given = (self.text, self.image, self.asset_id, self.parts or None)
        if sum(each is not None for each in given) != 1:
            raise QueryError("give either a text or an image, or the id of an asset, or several of them as parts")
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
        if self.parts:
            object.__setattr__(self, "split", self._split())
            object.__setattr__(self, "size", self.size or _only_size(self.split))
            _expect_few_phrases(sum(len(phrases(share.query.text or "")) for share in self.split))
        check_facets(self.facets)
        mode_for(self.mode, self.query_type)

    def _split(self) -> tuple[Share, ...]:
        """Each part as a query, checked like any other.

        Raises:
            QueryError: One cannot be searched, or they contradict each other.
        """
        split = []
        shared = shares(self.parts)
        alone = len(shared) == 1 or self.cross_modal is not None
        for part, weight, places in shared:
            query = replace(
                self,
                parts=(),
                size=None,
                target=self.target if alone or self.target else "both",
                text=part.text,
                image=part.image,
                asset_id=part.asset_id,
                language=part.language or self.language,
            )
            if weight < 0 and (query.size or phrases(query.text or "")):
                what = "a size" if query.size else "a phrase in quotes"
                raise QueryError(
                    f"{part.called} is not wanted and holds {what}, as only what is wanted may; leave it out"
                )
            split.append(Share(query=query, weight=weight, places=places))
        return tuple(split)

    @property
    def left_out(self) -> set[str]:
        """Ids of assets that are not to be found."""
        asked = [self.asset_id, *(part.asset_id for part in self.parts)] if self.others_only else []
        return {asset_id for asset_id in asked if asset_id is not None}

    @property
    def plain(self) -> Query:
        """A query whose only part has a weight above 0 as one without parts; any other as it is."""
        return replace(self.split[0].query, size=self.size) if len(self.split) == 1 else self

    @property
    def heaviest(self) -> Query:
        """What counts most of a query in parts; of any other, itself."""
        return max(self.split, key=lambda share: share.weight).query if self.split else self

    @property
    def resolved_language(self) -> Language:
        """The language whose captions are compared first; English for an image."""
        return self.language or detect_language(self.text or "")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What assets must be like; a quoted phrase must be among their words."""
        texts = [share.query.text for share in self.split] or [self.text]
        return (*conditions(self.filters), *(phrase for text in texts for phrase in phrases(text or "")))

    @property
    def query_type(self) -> QueryType:
        """The language of the text, or ``image``."""
        if self.split:
            return self.heaviest.query_type
        return self.resolved_language if self.image is None else "image"

    @property
    def mode(self) -> str:
        """Name of the search mode."""
        if self.target is None and self.split:
            modes = {share.query.mode for share in self.split}
            return modes.pop() if len(modes) == 1 else "both"
        return MODE[self.query_type, self.cross_modal] if self.target is None else self.target

    @property
    def is_diverse(self) -> bool:
        """Whether neighbours in the ranking are to differ."""
        if self.diverse is not None:
            return self.diverse
        asked = [share.query for share in self.split if share.weight > 0] or [self]
        return not self.exact and any(each.image is None for each in asked)

    def request(self, depth: int) -> Request:
        """What the store is asked for the first so many of the ranking."""
        return Request(limit=depth, conditions=self.conditions, exact=self.exact)


def _only_size(split: Sequence[Share]) -> Size | None:
    """The size that the texts name.

    Raises:
        QueryError: They name two.
    """
    sizes = {share.query.size for share in split} - {None}
    if len(sizes) > 1:
        raise QueryError("the query has two sizes; leave out one of them")
    return sizes.pop() if sizes else None


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
    _expect_few_phrases(len(phrases(text)))


def _expect_few_phrases(quoted: int) -> None:
    if quoted > MAX_PHRASES:
        raise QueryError(f"the query has {quoted} phrases in quotes; use at most {MAX_PHRASES}")
