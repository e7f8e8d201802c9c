"""Compare with captions."""

from __future__ import annotations

from dataclasses import replace

from meshseek.model import Hit
from meshseek.search.combinations import CAPTION_COLUMNS
from meshseek.search.modes import Mode, Question
from meshseek.store.read.library import Library, Request


class CaptionMode(Mode):
    """The query against caption vectors."""

    def rank(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """Rank by the captions in the query's language."""
        tuned = question.published.breadth("caption", question.kind)
        asked = replace(request, breadth=request.breadth or tuned)
        columns = CAPTION_COLUMNS[question.query_type]
        return library.nearest_captions(question.published, question.vector_for("caption"), columns, asked)
