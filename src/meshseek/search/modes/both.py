"""Compare with captions and with views, and fuse the two rankings."""

from __future__ import annotations

from dataclasses import replace

from meshseek.model import Hit
from meshseek.search.fusion import fuse
from meshseek.search.modes import Mode, Question
from meshseek.search.modes.appearance import AppearanceMode
from meshseek.search.modes.caption import CaptionMode
from meshseek.store.library import Library, Request

MINIMUM_DEPTH = 100


class BothMode(Mode):
    """Reciprocal-rank fusion of captions and appearance: their cosines are not on one scale."""

    def search(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """Rank each on its own to the same depth, however small the page, then fuse."""
        end = request.offset + request.limit
        deep = replace(request, offset=0, limit=max(MINIMUM_DEPTH, 2 * end))
        rankings = [mode.search(library, question, deep) for mode in (AppearanceMode(), CaptionMode())]
        return fuse(rankings)[request.offset : end]
