"""Compare with what assets look like."""

from __future__ import annotations

from meshseek.model import Hit
from meshseek.search.modes import Mode, Question
from meshseek.store.library import Library, Request


class AppearanceMode(Mode):
    """The query against view vectors."""

    def rank(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """Rank by each asset's best view."""
        return library.nearest_views(question.published, question.vector, request)
