"""Says how well results fit, as the scores of the library are to be read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from meshseek.model import RELEVANCES, Ranked, Relevance
from meshseek.relevance import caption_closeness
from meshseek.search.modes import Page
from meshseek.search.question import Question
from meshseek.store.read.library import Library
from meshseek.store.read.published import TARGETS, Target

Closeness = Callable[[float], float]
TRUSTED = 0.5
"""Where cross-modal scores are trusted less, they do not say that something fits beside the query's own kind."""


class Judge:
    """Judges the results of one question; what it needs is computed when first asked for.

    Args:
        library: Knows what the question gives for assets taken at random.
        question: What was searched.
    """

    def __init__(self, library: Library, question: Question) -> None:
        self._library = library
        self.question = question

    def relevance(self, ranked: Ranked) -> Relevance:
        """How well an asset fits: as the best of what was compared says; all words of the query always fit."""
        if self._is_worded(ranked):
            return "strong"
        if not self.question.is_understood:
            return "weak"
        said = [self._said(target, ranked.parts[target]) for target in self._telling(ranked)]
        if said:
            return min(said, key=RELEVANCES.index)
        others = [self._said(target, ranked.parts[target]) for target in TARGETS if target in ranked.parts]
        return max([*others, "fair"], key=RELEVANCES.index)

    def nothing_close(self, page: Page) -> bool:
        """Whether even the best assets fit weakly; those of which only cross-modal scores speak are heard last."""
        telling = [ranked for ranked in page.best if self._telling(ranked) or self._is_worded(ranked)]
        judged = telling or page.best
        return bool(judged) and all(self.relevance(ranked) == "weak" for ranked in judged)

    def _telling(self, ranked: Ranked) -> list[Target]:
        """What was compared and can tell: vectors of the query's own kind, and others where they are trusted."""
        compared = [target for target in TARGETS if target in ranked.parts]
        if self.question.published.trust >= TRUSTED:
            return compared
        return [target for target in compared if self.question.is_own_kind(target)]

    @staticmethod
    def _is_worded(ranked: Ranked) -> bool:
        return ranked.is_named or "words" in ranked.parts

    def _said(self, target: Target, score: float) -> Relevance:
        thresholds = self.question.published.thresholds.get((target, self.question.asked(target)))
        if thresholds is None:  # then nothing need be computed
            return "fair"
        closeness = self._caption if target == "caption" else self._appearance
        return "fair" if closeness is None else thresholds.relevance(closeness(score))

    @cached_property
    def _caption(self) -> Closeness | None:
        vector = self.question.vector_for("caption")
        background = self._library.background(self.question.published)
        is_text = self.question.asked("caption") != "image"
        nearest = background.nearest_word(vector) if is_text else None
        if nearest is not None:
            return lambda score: caption_closeness(score, nearest)
        scale = self.question.scale(background, "caption")
        return scale.standard if scale else None

    @cached_property
    def _appearance(self) -> Closeness | None:
        scale = self.question.scale(self._library.background(self.question.published), "appearance")
        return scale.standard if scale else None
