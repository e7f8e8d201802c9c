"""Two settings on the same queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshseek.evaluation.judging import Judgement
from meshseek.evaluation.scores import MEASURES, Evaluation
from meshseek.evaluation.setting import Setting
from meshseek.evaluation.statistics import Measured, paired_difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One query type: the first setting less the second."""

    query_type: str
    queries: int
    """That both settings could be judged on."""
    measures: dict[str, Measured]
    """Mean differences by measure, by paired bootstrap."""
    gained: int
    """Queries that only the first setting answers within ten results."""
    lost: int
    """Queries that only the second one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One setting against another."""

    first: Setting
    second: Setting
    differences: Sequence[Difference]


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Compare two settings on the queries that both could be judged on, by query type."""
    theirs = {_key(each): each for each in second.judgements if not each.is_absent}
    pairs = [(each, theirs[_key(each)]) for each in first.judgements if not each.is_absent and _key(each) in theirs]
    types = sorted({each.query_type for each, _ in pairs})
    return Comparison(
        first=first.setting,
        second=second.setting,
        differences=[_difference(kind, [pair for pair in pairs if pair[0].query_type == kind]) for kind in types],
    )


def _key(judgement: Judgement) -> tuple[str, int]:
    return judgement.query.source, judgement.query.line


def _difference(query_type: str, pairs: Sequence[tuple[Judgement, Judgement]]) -> Difference:
    ours, theirs = ([pair[side].measures() for pair in pairs] for side in (0, 1))
    measures = {
        name: paired_difference([row[name] for row in ours], [row[name] for row in theirs]) for name in MEASURES
    }
    changes = [mine["hit_at_10"] - other["hit_at_10"] for mine, other in zip(ours, theirs, strict=True)]
    return Difference(
        query_type=query_type,
        queries=len(pairs),
        measures=measures,
        gained=sum(change > 0 for change in changes),
        lost=sum(change < 0 for change in changes),
    )
