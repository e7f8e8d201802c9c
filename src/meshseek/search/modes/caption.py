"""Compare with captions."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from meshseek.model import Ranked
from meshseek.search.modes import Mode
from meshseek.search.question import Question
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import CAPTION_COLUMNS, Target


class CaptionMode(Mode):
    """The query against caption vectors."""

    likeness: ClassVar[Target | None] = "caption"

    def deviation(self, library: Library, question: Question) -> float | None:
        """Of cosines with captions."""
        scale = question.scale(library.background(question.published), "caption")
        return None if scale is None else scale.deviation

    def rank(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """Rank by the captions in the query's language."""
        tuned = question.published.breadth("caption", question.kind)
        asked = replace(request, breadth=request.breadth or tuned)
        columns = CAPTION_COLUMNS[question.query_type]
        return library.nearest_captions(question.published, question.vector_for("caption"), columns, asked)
