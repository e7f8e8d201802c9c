"""Compare with what assets look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from meshseek.model import Ranked
from meshseek.search.modes import Mode
from meshseek.search.question import Question
from meshseek.store.read.background import Scale
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import CAPTION_COLUMNS


class AppearanceMode(Mode):
    """The query against view vectors."""

    def scale(self, library: Library, question: Question) -> Scale | None:
        """Of cosines with the best views."""
        return question.scale(library.background(question.published), "appearance")

    def scores(self, library: Library, question: Question, asset_ids: Sequence[str]) -> list[Ranked]:
        """Cosines with the best views of some assets."""
        columns = CAPTION_COLUMNS[question.query_type]  # which no views have
        return library.scores("appearance", columns, question.vector_for("appearance"), asset_ids)

    def rank(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """Rank by each asset's best view."""
        tuned = question.published.breadth("appearance", question.kind)
        asked = replace(request, breadth=request.breadth or tuned)
        return library.nearest_views(question.published, question.vector_for("appearance"), asked)
