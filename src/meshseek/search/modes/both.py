"""Compare with captions, views and words, and fuse what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from meshseek.model import Ranked
from meshseek.search.fusion import Part, fuse
from meshseek.search.modes import Mode
from meshseek.search.modes.appearance import AppearanceMode
from meshseek.search.modes.caption import CaptionMode
from meshseek.search.modes.words import WordsMode
from meshseek.search.question import Question
from meshseek.store.read.background import Scale
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import CAPTION_COLUMNS, TARGETS, Target

FUSED = 100
"""Assets of each ranking that are fused at least, however small the page."""


class BothMode(Mode):
    """The sum of standard scores, in which the kind of vector that is not the query's own counts as far as trusted."""

    def scale(self, library: Library, question: Question) -> Scale | None:
        """Scores are sums of standard scores, of which the query's own kind counts fully."""
        del library, question
        return Scale(0.0, 1.0)

    def scores(self, library: Library, question: Question, asset_ids: Sequence[str]) -> list[Ranked]:
        """The same sums for some assets; none of them comes first for its name."""
        parts = [_part(library, question, target, [], asset_ids) for target in TARGETS]
        whole = library.words_among(question.text, asset_ids) if question.text is not None and asset_ids else set()
        return fuse(parts, whole, set())

    def rank(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """Rank each on its own to the same depth, look up what one has and the other has not, then add up."""
        deep = replace(request, limit=max(FUSED, request.limit))
        modes = (CaptionMode(), AppearanceMode(), WordsMode())
        captions, views, words = (mode.rank(library, question, deep) for mode in modes)
        every = list(dict.fromkeys(ranked.asset_id for ranking in (captions, views, words) for ranked in ranking))
        parts = [
            _part(library, question, "caption", captions, every),
            _part(library, question, "appearance", views, every),
        ]
        whole = {ranked.asset_id for ranked in words}
        if question.text is not None and len(words) == deep.limit:  # there may be more of them among the others
            whole |= library.words_among(question.text, every)
        named = {ranked.asset_id for ranked in words if ranked.is_named}
        return fuse(parts, whole, named, request.limit)


def _part(
    library: Library, question: Question, target: Target, ranking: Sequence[Ranked], every: Sequence[str]
) -> Part:
    vector = question.vector_for(target)
    columns = CAPTION_COLUMNS[question.query_type]
    scores = {ranked.asset_id: ranked for ranked in ranking}
    missing = [asset_id for asset_id in every if asset_id not in scores]
    if missing:
        scores |= {ranked.asset_id: ranked for ranked in library.scores(target, columns, vector, missing)}
    return Part(
        name=target,
        weight=1.0 if question.is_own_kind(target) else question.published.trust,
        scale=question.scale(library.background(question.published), target),
        scores=scores,
    )
