"""Scores of many judgements: by language, by file, by kind, and of what is absent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from meshseek.evaluation.judging import Judgement
from meshseek.evaluation.setting import Setting
from meshseek.evaluation.statistics import Measured, difference, mean, paired_difference

MEASURES = ("hit_at_1", "hit_at_5", "hit_at_10", "mrr", "ndcg_at_10")
"""Each told with its interval."""
TITLES = {
    "hit_at_1": "hit@1",
    "hit_at_5": "hit@5",
    "hit_at_10": "hit@10",
    "mrr": "MRR",
    "ndcg_at_10": "nDCG@10",
    "recall_at_10": "recall@10",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Means over a group of queries that have something relevant."""

    query_type: str
    """``english``, ``chinese`` or ``image``."""
    group: str = ""
    """The file or the kind that they share, where they share one."""
    queries: int
    hit_at_1: Measured
    hit_at_5: Measured
    hit_at_10: Measured
    mrr: Measured
    """Mean reciprocal rank of the first relevant asset among ten."""
    ndcg_at_10: Measured
    recall_at_10: float
    """Share of the exact ten that the index finds."""

    def measured(self) -> dict[str, Measured]:
        """The measures by name, in the order of :data:`MEASURES`."""
        return {name: getattr(self, name) for name in MEASURES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """How often an answer says that nothing is close, rightly and wrongly."""

    query_type: str
    absent: int
    """Queries about what the library has not."""
    told: Measured | None
    """Share of those that are told; None where there are none."""
    present: int
    """Queries about what it has."""
    denied: Measured | None
    """Share of those that are told the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One setting, scored."""

    setting: Setting
    judgements: Sequence[Judgement]
    scores: Sequence[Scores]
    by_file: Sequence[Scores]
    """Empty where there is one file."""
    by_kind: Sequence[Scores]
    """Empty where the queries are of one kind."""
    exact: Sequence[Scores]
    """Like ``scores``, searched without the index."""
    parity: dict[str, Measured]
    """English less Chinese, by measure; of the queries that are asked in both languages, where there are any. Empty
    unless both languages were asked."""
    absence: Sequence[Absence]
    """By query type."""
    without_relevant: int
    """Queries none of whose relevant assets is in the library."""
    unknown: Sequence[str]
    """Names of relevant assets that the library has not."""

    @property
    def misses(self) -> list[Judgement]:
        """Queries with nothing relevant among the ten results, in the order of their files."""
        return [each for each in self.judgements if not each.is_absent and not each.measures()["hit_at_10"]]


def score(
    setting: Setting, judgements: Sequence[Judgement], *, without_relevant: int = 0, unknown: Sequence[str] = ()
) -> Evaluation:
    """Score the judgements of one setting."""
    present = [each for each in judgements if not each.is_absent]
    scores = _grouped(present, lambda _: "")
    by_file = _grouped(present, lambda each: each.query.source)
    by_kind = _grouped(present, lambda each: each.query.kind)
    return Evaluation(
        setting=setting,
        judgements=judgements,
        scores=scores,
        by_file=by_file if len({row.group for row in by_file}) > 1 else [],
        by_kind=by_kind if len({row.group for row in by_kind}) > 1 else [],
        exact=_grouped(present, lambda _: "", exact=True),
        parity=_parity(present, scores),
        absence=_absence(judgements),
        without_relevant=without_relevant,
        unknown=unknown,
    )


def _grouped(
    judgements: Iterable[Judgement], group: Callable[[Judgement], str], *, exact: bool = False
) -> list[Scores]:
    """Scores by group and query type; the groups as they first come, the types by name."""
    groups: dict[str, dict[str, list[dict[str, float]]]] = {}
    for each in judgements:
        types = groups.setdefault(group(each), {})
        types.setdefault(each.query_type, []).append(each.measures(exact=exact))
    return [_scores(name, kind, rows) for name, types in groups.items() for kind, rows in sorted(types.items())]


def _scores(group: str, query_type: str, rows: Sequence[dict[str, float]]) -> Scores:
    measured = {name: mean([row[name] for row in rows]) for name in MEASURES}
    recall = sum(row["recall_at_10"] for row in rows) / len(rows)
    return Scores(query_type=query_type, group=group, queries=len(rows), recall_at_10=recall, **measured)


def _parity(judgements: Sequence[Judgement], scores: Sequence[Scores]) -> dict[str, Measured]:
    """On what is asked in both languages, as benchmarks do; without any such query, on all queries of each."""
    rows = {row.query_type: row for row in scores}
    if not {"english", "chinese"} <= rows.keys():
        return {}
    asked: dict[tuple[str, int], dict[str, dict[str, float]]] = {}
    for each in judgements:
        asked.setdefault((each.query.source, each.query.line), {})[each.query_type] = each.measures()
    pairs = [(both["english"], both["chinese"]) for both in asked.values() if {"english", "chinese"} <= both.keys()]
    if pairs:
        return {
            name: paired_difference([ours[name] for ours, _ in pairs], [theirs[name] for _, theirs in pairs])
            for name in MEASURES
        }
    english, chinese = rows["english"].measured(), rows["chinese"].measured()
    return {name: difference(english[name], chinese[name]) for name in MEASURES}


def _absence(judgements: Sequence[Judgement]) -> list[Absence]:
    return [
        _absence_of(query_type, [each for each in judgements if each.query_type == query_type])
        for query_type in sorted({each.query_type for each in judgements})
    ]


def _absence_of(query_type: str, judgements: Sequence[Judgement]) -> Absence:
    def share(which: Sequence[Judgement]) -> Measured | None:
        told = [float(each.told_absent) for each in which]
        return mean(told) if told else None

    absent = [each for each in judgements if each.is_absent]
    present = [each for each in judgements if not each.is_absent]
    return Absence(
        query_type=query_type,
        absent=len(absent),
        told=share(absent),
        present=len(present),
        denied=share(present),
    )
