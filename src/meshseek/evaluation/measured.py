"""Measure settings on judged queries; the result is what all outputs show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from meshseek.evaluation.comparison import Comparison, compare
from meshseek.evaluation.judged import JudgedQuery
from meshseek.evaluation.judging import judge, resolve
from meshseek.evaluation.scores import Evaluation, score
from meshseek.evaluation.setting import Setting
from meshseek.reporting import Reporter
from meshseek.search.service import SearchService


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was measured, for a terminal, JSON or a page."""

    title: str
    evaluations: Sequence[Evaluation]
    """At least one."""
    comparisons: Sequence[Comparison] = ()
    """The first with each of the others."""
    notes: Sequence[str] = ()
    benchmark: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    """What was measured on, by heading."""
    misses: int = 0
    """How many are listed for each setting."""


def measure(
    service: SearchService, settings: Sequence[Setting], queries: Sequence[JudgedQuery], reporter: Reporter
) -> list[Evaluation]:
    """Score each setting on the queries.

    Raises:
        DatasetError: A query cannot be searched.
        NotFoundError: There is no such algorithm.
        NotPublishedError: Nothing is published.
    """
    evaluations = []
    for setting in settings:
        algorithm = service.algorithm(setting.algorithm)
        resolution = resolve(algorithm.library, queries)
        with reporter.bar(str(setting), len(resolution.expected)) as advance:
            judgements = judge(algorithm, setting, resolution.expected, advance)
        evaluations.append(
            score(
                setting,
                judgements,
                without_relevant=resolution.without_relevant,
                unknown=resolution.unknown,
            )
        )
    return evaluations


def compared(evaluations: Sequence[Evaluation]) -> list[Comparison]:
    """The first with each of the others."""
    first, *others = evaluations
    return [compare(first, other) for other in others]
