"""One search as a validated value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meshseek.errors import QueryError
from meshseek.language import detect_language, is_searchable
from meshseek.model import Condition, Language
from meshseek.search.combinations import MODE, QueryType
from meshseek.search.filters import Filters, conditions
from meshseek.search.phrases import phrases

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_TEXT = 1000
MAX_TOP_K = 200
MAX_DEPTH = 1000
"""How far down the ranking pages reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched, and how.

    Raises:
        QueryError: On construction, when any part of it cannot be searched.
    """

    text: str | None = None
    """A NUL character in it, which no database takes, becomes a blank."""
    image: Image | None = None
    language: Language | None = None
    """Language of the text; None tells it by the script."""
    cross_modal: bool = False
    """Compare a text with views, or an image with captions, instead of with its own kind."""
    target: str | None = None
    """Name of a search mode; wins over ``cross_modal``."""
    top_k: int = 10
    offset: int = 0
    filters: Filters = field(default_factory=dict)
    exact: bool = False
    collapsed: bool = False
    """Assets that look the same count as one result."""

    def __post_init__(self) -> None:
        if (self.text is None) == (self.image is None):
            raise QueryError("give either a text or an image")
        if self.text is not None:
            object.__setattr__(self, "text", self.text.replace("\0", " "))
            check_text(self.text)
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise QueryError(f"top_k is {self.top_k}; choose 1 to {MAX_TOP_K}")
        if not 0 <= self.offset <= MAX_DEPTH - self.top_k:
            raise QueryError(f"offset is {self.offset}; pages reach from 0 to result {MAX_DEPTH}")
        conditions(self.filters)
        if self.image is not None and self.target == "words":
            raise QueryError("a picture has no words; choose another target than 'words'")

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
        return self.target or MODE[self.query_type, self.cross_modal]


def check_text(text: str) -> None:
    """Refuse a text that cannot be searched.

    Raises:
        QueryError: It is empty, too long, or in neither language.
    """
    if not text.strip():
        raise QueryError("the query is empty; type some words")
    if len(text) > MAX_TEXT:
        raise QueryError(f"the query has {len(text)} characters; use at most {MAX_TEXT}")
    if not is_searchable(text):
        raise QueryError("the query has no English or Chinese words; type some in either language")
