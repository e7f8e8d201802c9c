"""Compare words with words: ids, names, tags, categories and captions that hold all words of the query."""

from __future__ import annotations

from meshseek.model import Hit
from meshseek.search.modes import Mode, Question
from meshseek.store.read.library import Library, Request


class WordsMode(Mode):
    """Full text: English by its stems, Chinese by pairs of characters. A picture has no words and finds nothing."""

    def rank(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """Rank by how often and how close together the words stand."""
        if question.text is None:
            return []
        return library.with_words(question.published, question.text, request)
