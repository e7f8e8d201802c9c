"""Compare with captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from meshseek.model import Ranked
from meshseek.search.modes import Mode
from meshseek.search.question import Question
from meshseek.store.read.background import Scale
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import CAPTION_COLUMNS, Target


class CaptionMode(Mode):
    """The query against caption vectors."""

    likeness: ClassVar[Target | None] = "caption"

    def scale(self, library: Library, question: Question) -> Scale | None:
        """Of cosines with captions."""
        return question.scale(library.background(question.published), "caption")

    def scores(self, library: Library, question: Question, asset_ids: Sequence[str]) -> list[Ranked]:
        """Cosines with the captions of some assets."""
        columns = CAPTION_COLUMNS[question.query_type]
        return library.scores("caption", columns, question.vector_for("caption"), asset_ids)

    def rank(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """Rank by the captions in the query's language."""
        tuned = question.published.breadth("caption", question.kind)
        asked = replace(request, breadth=request.breadth or tuned)
        columns = CAPTION_COLUMNS[question.query_type]
        return library.nearest_captions(question.published, question.vector_for("caption"), columns, asked)
