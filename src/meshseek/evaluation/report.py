"""An evaluation as one HTML page that needs nothing else: tables, plots, and what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meshseek.errors import InputError
from meshseek.evaluation.comparison import Comparison
from meshseek.evaluation.measured import Report
from meshseek.evaluation.plots import Curve, Row, curves, dots
from meshseek.evaluation.scores import MEASURES, TITLES, Evaluation, Scores
from meshseek.evaluation.setting import DEPTH
from meshseek.evaluation.statistics import RESAMPLES, SEED, Measured
from meshseek.evaluation.text import WITHOUT_KIND, hit_as_text
from meshseek.files import write_whole

MISSES = 50
"""Listed for each setting at least."""
_PANELS = {name: TITLES[name] for name in MEASURES}
_BY_KIND = {name: TITLES[name] for name in ("hit_at_1", "hit_at_10", "ndcg_at_10")}


def write_report(report: Report, path: Path) -> None:
    """Write the page.

    Raises:
        InputError: The file cannot be written.
    """
    page = report_as_html(report)
    try:
        write_whole(path, page.encode())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; give a file in a folder that is there") from error


def report_as_html(report: Report) -> str:
    """The page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - for reports only

    environment = Environment(
        loader=PackageLoader("meshseek.evaluation", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"share": _share, "interval": _interval, "signed": _signed}
    return environment.get_template("report.html").render(
        report=report,
        most=max(MISSES, report.misses),
        titles=TITLES,
        measures=MEASURES,
        plots=_plots(report),
        named=hit_as_text,
        bootstrap={"resamples": RESAMPLES, "seed": SEED},
    )


def _plots(report: Report) -> dict[str, Any]:
    """SVG by section; empty where there is nothing to draw."""
    several = len(report.evaluations) > 1
    labels = [str(each.setting) if several else "" for each in report.evaluations]
    scores = [row for each, label in zip(report.evaluations, labels, strict=True) for row in _rows(each.scores, label)]
    first = report.evaluations[0]
    lines = [
        Curve(label=f"{label} {row.query_type}".strip(), query_type=row.query_type, shares=_shares(each, row), line=n)
        for n, (each, label) in enumerate(zip(report.evaluations, labels, strict=True))
        for row in each.scores
    ]
    return {
        "scores": dots(scores, _PANELS) if scores else "",
        "curves": curves(lines) if lines else "",
        "kinds": dots(_rows(first.by_kind), _BY_KIND) if first.by_kind else "",
        "files": dots(_rows(first.by_file), _BY_KIND) if first.by_file else "",
        "differences": [_differences(each) for each in report.comparisons],
    }


def _rows(scores: Sequence[Scores], label: str | None = None) -> list[Row]:
    return [
        Row(
            label=(row.group or WITHOUT_KIND) if label is None else label,
            query_type=row.query_type,
            values=row.measured(),
        )
        for row in scores
    ]


def _differences(comparison: Comparison) -> str:
    rows = [Row(label="", query_type=row.query_type, values=row.measures) for row in comparison.differences]
    return dots(rows, _PANELS, differences=True) if rows else ""


def _shares(evaluation: Evaluation, scores: Scores) -> list[float]:
    """Share of the queries with something relevant within the first one, two, ... results."""
    asked = [each for each in evaluation.judgements if each.query_type == scores.query_type and not each.is_absent]
    ranks = [each.rank for each in asked]
    return [sum(rank is not None and rank <= depth for rank in ranks) / len(ranks) for depth in range(1, DEPTH + 1)]


def _share(measured: Measured) -> str:
    return f"{measured.value:.3f}"


def _signed(measured: Measured) -> str:
    return f"{measured.value:+z.3f}"


def _interval(measured: Measured) -> str:
    return f"{measured.low:z.2f} to {measured.high:z.2f}"
