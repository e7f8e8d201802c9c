"""An evaluation as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from meshseek.evaluation.comparison import Comparison
from meshseek.evaluation.judging import Judgement
from meshseek.evaluation.measured import Report
from meshseek.evaluation.scores import Absence, Evaluation, Scores
from meshseek.evaluation.statistics import LEVEL, RESAMPLES, SEED, Measured


def report_as_value(report: Report) -> dict[str, Any]:
    """The first setting's scores at the top, the others' and the comparisons beside them; all equal for a benchmark."""
    first, *others = [_evaluation(each, report.misses) for each in report.evaluations]
    bootstrap = {"resamples": RESAMPLES, "seed": SEED, "level": LEVEL}
    common = {"facts": report.facts, "notes": list(report.notes), "bootstrap": bootstrap}
    if report.benchmark:
        return {"benchmark": report.benchmark, "evaluations": [first, *others], **common}
    return {**first, "others": others, "comparisons": [_comparison(each) for each in report.comparisons], **common}


def _evaluation(evaluation: Evaluation, misses: int) -> dict[str, Any]:
    """Scores under ``scores`` and in finer groups, with what was left out."""
    return {
        "setting": asdict(evaluation.setting),
        "scores": [_scores(row) for row in evaluation.scores],
        "by_file": [{"group": row.group, **_scores(row)} for row in evaluation.by_file],
        "by_kind": [{"group": row.group, **_scores(row)} for row in evaluation.by_kind],
        "exact": [_scores(row) for row in evaluation.exact],
        "parity": _intervals(evaluation.parity),
        "absent": [_absence(row) for row in evaluation.absence],
        "without_relevant": evaluation.without_relevant,
        "unknown_relevant": list(evaluation.unknown),
        "missed": len(evaluation.misses),
        "misses": [_miss(each) for each in evaluation.misses[:misses]],
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    """The differences of two settings."""
    return {
        "setting": asdict(comparison.first),
        "against": asdict(comparison.second),
        "differences": [
            {
                "kind": row.query_type,
                "queries": row.queries,
                "gained": row.gained,
                "lost": row.lost,
                "measures": _intervals(row.measures),
            }
            for row in comparison.differences
        ],
    }


def _scores(row: Scores) -> dict[str, Any]:
    measured = row.measured()
    return {
        "kind": row.query_type,
        "queries": row.queries,
        **{name: each.value for name, each in measured.items()},
        "recall_at_10": row.recall_at_10,
        "intervals": {name: [each.low, each.high] for name, each in measured.items()},
    }


def _intervals(measures: Mapping[str, Measured]) -> dict[str, Any]:
    return {name: asdict(each) for name, each in measures.items()}


def _absence(row: Absence) -> dict[str, Any]:
    return {
        "kind": row.query_type,
        "absent": row.absent,
        "told": asdict(row.told) if row.told else None,
        "present": row.present,
        "denied": asdict(row.denied) if row.denied else None,
    }


def _miss(judgement: Judgement) -> dict[str, Any]:
    query = judgement.query
    return {
        "file": query.source,
        "line": query.line,
        "text": query.text,
        "image": str(query.image) if query.image else None,
        "kind": judgement.query_type,
        "relevant": list(query.relevant),
        "results": [
            {"asset_id": hit.asset_id, "caption_en": hit.caption_english, "caption_zh": hit.caption_chinese}
            for hit in judgement.hits
        ],
    }
