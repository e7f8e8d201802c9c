"""Compare words with words: ids, names, tags, categories and captions that hold all words of the query."""

from __future__ import annotations

from typing import ClassVar

from meshseek.model import Ranked
from meshseek.search.combinations import QUERY_TYPES
from meshseek.search.modes import Mode
from meshseek.search.phrases import without_quotes
from meshseek.search.question import Question
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import QueryType, Target


class WordsMode(Mode):
    """Full text: English by its stems, Chinese by pairs of characters. A picture has no words."""

    accepts: ClassVar[frozenset[QueryType]] = QUERY_TYPES - {"image"}
    likeness: ClassVar[Target | None] = None

    def rank(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """Rank by how often and how close together the words stand; ``both`` asks about pictures too."""
        if question.text is None:
            return []
        return library.with_words(question.published, without_quotes(question.text), request)
