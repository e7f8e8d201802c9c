"""Ranks by several queries at once: parts of one query, each asked of one algorithm or of several.

Each part gives standard scores (see :mod:`meshseek.search.fusion`), which may be joined whatever they are of: words and
pictures, captions and views, one model and another. What is wanted is multiplied, so that what fits every part a little
comes before what fits but one of them; what is not wanted takes off as far as an asset is like it. In
docs/decisions/0034-combined-queries.md that is compared with sums, and with adding vectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from meshseek.model import RELEVANCES, Ranked, Relevance
from meshseek.search.judging import Judge
from meshseek.search.modes import MAX_DEPTH, Mode, Page
from meshseek.search.question import Question
from meshseek.store.read.background import Scale
from meshseek.store.read.published import TARGETS, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.read.library import Library, Request

COMBINED = 200
"""Assets of each ranking that are compared with all parts at least, however small the page."""
LIKE = 0.5
"""What is not wanted takes off what its standard score is above this; with 0 and with 1, a little less was found."""
TELLING = 0.5
"""What is not wanted sets back by a whole step only where it counts half as much as all that is wanted, or more: with
less weight it takes off a little, as it was asked to."""
LEAST = -30.0
"""Standard scores below it are taken for this, so that none is infinitely bad."""
UNKNOWN = Scale(0.0, 1.0)
"""Where too little is known for standard scores, scores are taken as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One part of a query, as one algorithm is asked it."""

    name: str
    """Before the names of the figures that it gives."""
    part: int
    """Which part it is; those of several algorithms have the same."""
    weight: float
    algorithm: str
    library: Library
    question: Question
    mode: Mode

    @property
    def judge(self) -> Judge:
        """Says how well assets fit this part."""
        return Judge(self.library, self.question)

    def own(self, parts: Mapping[str, float]) -> dict[str, float]:
        """The figures that are this term's."""
        start = f"{self.name}."
        return {name.removeprefix(start): value for name, value in parts.items() if name.startswith(start)}


class Combining(Mode):
    """The sum of what several terms say.

    Args:
        terms: The first algorithm's come first: only what that one can compare with something wanted is found.
    """

    ranks_once = True

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = terms
        self._weights = {term.part: term.weight for term in terms}
        self.fits_first = len(self._weights) > 1

    def scale(self, library: Library, question: Question) -> Scale | None:
        """Scores are sums of standard scores with weights."""
        del library, question
        return Scale(0.0, math.hypot(*self._weights.values()))

    def rank(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """Rank by each part that is wanted, and by all together, look up what is missing, then add up."""
        del library, question
        deep = replace(request, limit=MAX_DEPTH if request.exact else max(COMBINED, request.limit))
        finding = self._finding(request)
        rankings = [
            term.mode.rank(term.library, term.question, deep) if term.weight > 0 and term.algorithm in finding else []
            for term in self.terms
        ]
        found = [*rankings, *self._together(deep)]
        every = list(dict.fromkeys(ranked.asset_id for ranking in found for ranked in ranking))
        told = [_told(term, ranking, every) for term, ranking in zip(self.terms, rankings, strict=True)]
        first = [
            each.scores for term, each in zip(self.terms, told, strict=True) if term.weight > 0 and self._is_first(term)
        ]
        here = [asset_id for asset_id in every if any(asset_id in scores for scores in first)]
        fused = [self._fused(asset_id, told) for asset_id in here]
        fused.sort(key=lambda ranked: (not ranked.is_named, -ranked.score, ranked.asset_id))
        if self.fits_first:
            fused.sort(key=CombinedJudge(self.terms).grade)
        return fused[: request.limit]

    def ranked(self, library: Library, question: Question, request: Request) -> list[Ranked]:
        """An asset that is asked for comes first where nothing else is; beside other parts it is one among all."""
        return (super().ranked if len(self._weights) == 1 else self.rank)(library, question, request)

    def _finding(self, request: Request) -> list[str]:
        """Algorithms that find assets: where there are conditions the first alone, for others know other attributes."""
        first = self.terms[0].algorithm
        return [first] if request.conditions else list(dict.fromkeys(term.algorithm for term in self.terms))

    def _is_first(self, term: Term) -> bool:
        return term.algorithm == self.terms[0].algorithm

    def _together(self, request: Request) -> Iterator[list[Ranked]]:
        """What lies near the sum of all vectors: in a large library, what fits each part a little is found only so."""
        if len(self._weights) == 1:
            return
        for algorithm in self._finding(request):
            terms = [term for term in self.terms if term.algorithm == algorithm]
            heaviest = max(terms, key=lambda term: term.weight)
            own = {target: summed(terms, target) for target in TARGETS}
            question = Question.of(heaviest.question.published, own["caption"], heaviest.question.query_type)
            question.own = own
            for kind in dict.fromkeys(type(term.mode) for term in terms if term.weight > 0):
                yield kind().rank(heaviest.library, question, request)

    def _fused(self, asset_id: str, told: Sequence[_Told]) -> Ranked:
        """An asset with the sum of what the terms give, and what that rests on."""
        given: dict[int, list[float]] = {}
        figures: dict[str, float] = {}
        viewpoint_id, heaviest, is_named = None, 0.0, False
        for term, each in zip(self.terms, told, strict=True):
            ranked = each.scores.get(asset_id)
            if ranked is None:
                continue
            standard = each.scale.standard(ranked.score)
            given.setdefault(term.part, []).append(standard)
            figures |= {f"{term.name}.{name}": value for name, value in ranked.parts.items()}
            figures |= {f"{term.name}.score": standard, f"{term.name}.share": term.weight}
            is_named |= ranked.is_named
            if ranked.viewpoint_id is not None and term.weight > heaviest and self._is_first(term):
                viewpoint_id, heaviest = ranked.viewpoint_id, term.weight
        return Ranked(
            asset_id=asset_id,
            score=self._score({part: sum(each) / len(each) for part, each in given.items()}),
            viewpoint_id=viewpoint_id,
            parts=figures,
            is_named=is_named and len(self._weights) == 1,
        )

    def _score(self, standards: Mapping[int, float]) -> float:
        """From the standard score of each part; one of which nothing is known is what chance gives."""
        weights = self._weights.items()
        wanted = [(weight, standards.get(part, 0.0)) for part, weight in weights if weight > 0]
        unwanted = [weight * max(0.0, standards.get(part, 0.0) - LIKE) for part, weight in weights if weight < 0]
        return together(wanted) + math.fsum(unwanted)


class CombinedJudge:
    """Judges the results of several terms together.

    Args:
        terms: What was asked.
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self._judges = [(term, term.judge) for term in terms]

    def relevance(self, ranked: Ranked) -> Relevance:
        """The mean of what the wanted parts say, as they count; a step less for what is strongly not wanted."""
        return RELEVANCES[self.grade(ranked)]

    def grade(self, ranked: Ranked) -> int:
        """The same as a number, 0 where it fits best."""
        if ranked.is_named:
            return 0
        grade, total, unwanted = 0.0, 0.0, 0
        for term, judge in self._judges:
            own = term.own(ranked.parts)
            if not own:
                continue
            told = judge.relevance(replace(ranked, parts=own))
            if term.weight > 0:
                grade += term.weight * RELEVANCES.index(told)
                total += term.weight
            elif told == "strong" and -term.weight >= TELLING:
                unwanted = 1
        middle = math.floor(grade / total + 0.5 - 1e-9) if total else 1  # half a step counts as the better one
        return min(middle + unwanted, len(RELEVANCES) - 1)

    def nothing_close(self, page: Page) -> bool:
        """Whether even the best assets fit weakly."""
        return bool(page.best) and all(self.relevance(ranked) == "weak" for ranked in page.best)


def together(wanted: Sequence[tuple[float, float]]) -> float:
    """The standard score of what several parts together want: of one alone its own, of several between theirs.

    It is their geometric mean, on a scale on which no score is below 0 and large ones stay as they are.

    Args:
        wanted: Weight and standard score of each; the weights add up to 1.
    """
    if len(wanted) == 1:
        return wanted[0][1]
    worth = math.exp(math.fsum(weight * math.log(_softplus(max(LEAST, standard))) for weight, standard in wanted))
    return worth + math.log(-math.expm1(-worth))


def _softplus(standard: float) -> float:
    return max(standard, 0.0) + math.log1p(math.exp(-abs(standard)))


class _Told(NamedTuple):
    """What a term says."""

    scale: Scale
    scores: Mapping[str, Ranked]
    """By asset id, of those that have what it compares."""


def _told(term: Term, ranking: Sequence[Ranked], every: Sequence[str]) -> _Told:
    """What a term says of all assets."""
    scores = {ranked.asset_id: ranked for ranked in ranking}
    missing = [asset_id for asset_id in every if asset_id not in scores]
    if missing:
        scores |= {ranked.asset_id: ranked for ranked in term.mode.scores(term.library, term.question, missing)}
    return _Told(term.mode.scale(term.library, term.question) or UNKNOWN, scores)


def summed(terms: Sequence[Term], target: Target) -> NDArray[np.float32]:
    """The sum of their vectors with their weights, shape ``(dim,)``, of unit length."""
    total = np.sum([np.float32(term.weight) * term.question.vector_for(target) for term in terms], axis=0)
    length = float(np.linalg.norm(total))
    made: NDArray[np.float32] = total / length if length else terms[0].question.vector_for(target)
    return made
