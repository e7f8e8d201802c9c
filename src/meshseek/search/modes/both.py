"""Compare with captions, views and words, and fuse the rankings."""

from __future__ import annotations

from dataclasses import replace

from meshseek.model import Hit
from meshseek.search.fusion import fuse
from meshseek.search.modes import Mode
from meshseek.search.modes.appearance import AppearanceMode
from meshseek.search.modes.caption import CaptionMode
from meshseek.search.modes.words import WordsMode
from meshseek.search.question import Question
from meshseek.store.read.library import Library, Request

FUSED = 100
"""Assets of each ranking that are fused at least, however small the page."""


class BothMode(Mode):
    """Reciprocal-rank fusion of captions, appearance and exact words: their scores are not on one scale."""

    def rank(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """Rank each on its own to the same depth, then fuse."""
        deep = replace(request, limit=max(FUSED, request.limit))
        rankings = [mode.rank(library, question, deep) for mode in (AppearanceMode(), CaptionMode(), WordsMode())]
        return fuse(rankings)[: request.limit]
