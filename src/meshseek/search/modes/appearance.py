"""Compare with what assets look like."""

from __future__ import annotations

from dataclasses import replace

from meshseek.model import Ranked
from meshseek.search.modes import Mode
from meshseek.search.question import Question
from meshseek.store.read.library import Library, Request


class AppearanceMode(Mode):
    """The query against view vectors."""

    def deviation(self, library: Library, question: Question) -> float | None:
        """Of cosines with the best views."""
        scale = question.scale(library.background(question.published), "appearance")
        return None if scale is None else scale.deviation

    def rank(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """Rank by each asset's best view."""
        tuned = question.published.breadth("appearance", question.kind)
        asked = replace(request, breadth=request.breadth or tuned)
        return library.nearest_views(question.published, question.vector_for("appearance"), asked)
