"""An evaluation as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshseek.evaluation.comparison import Comparison, Difference
from meshseek.evaluation.judging import Judgement
from meshseek.evaluation.measured import Report
from meshseek.evaluation.scores import MEASURES, TITLES, Absence, Evaluation, Scores
from meshseek.evaluation.statistics import Measured

_WIDTH = 18
WITHOUT_KIND = "without a kind"
SHOWN = 3
"""Results that are named beside a miss."""


def report_as_text(report: Report) -> str:
    """Everything, a blank line between the parts."""
    if report.benchmark:
        parts = [list(_benchmark(each, report.misses)) for each in report.evaluations]
    else:
        parts = [list(_evaluation(each, report.misses)) for each in report.evaluations]
    parts += [list(_comparison(each)) for each in report.comparisons]
    return "\n\n".join("\n".join(part) for part in (*parts, report.notes) if part)


def _evaluation(evaluation: Evaluation, misses: int) -> Iterator[str]:
    """Tables of scores, what is absent, parity, and the first so many misses."""
    yield f"{evaluation.setting}, with 95 % intervals"
    yield from _table("queries", evaluation.scores)
    if evaluation.by_file:
        yield from _table("by file", evaluation.by_file)
    if evaluation.by_kind:
        yield from _table("by kind", evaluation.by_kind)
    if evaluation.parity:
        cells = "".join(f"{_cell(evaluation.parity[name], signed=True):>{_WIDTH}}" for name in MEASURES)
        yield f"{'english - chinese':<19}{cells}"
    yield from map(_absence_as_text, evaluation.absence)
    yield from _left_out(evaluation)
    yield from _misses(evaluation.misses, misses)


def _comparison(comparison: Comparison) -> Iterator[str]:
    """The differences of two settings."""
    yield f"{comparison.first} - {comparison.second}, by paired bootstrap"
    yield _header("queries")
    for row in comparison.differences:
        cells = "".join(f"{_cell(row.measures[name], signed=True):>{_WIDTH}}" for name in MEASURES)
        yield f"{row.query_type:<13}{row.queries:>6}{cells}"
    yield from (f"{row.query_type}: {_changes(row)}" for row in comparison.differences)


def _benchmark(evaluation: Evaluation, misses: int) -> Iterator[str]:
    """One target in all languages, by the index and without it."""
    yield f"{evaluation.setting}, with 95 % intervals"
    yield from _table("by index", evaluation.scores)
    yield from _table("exact", evaluation.exact)
    yield from _misses(evaluation.misses, misses)


def hit_as_text(judgement: Judgement) -> list[str]:
    """What came first, by id and caption."""
    return [
        f"{hit.asset_id} ({caption})" if caption else hit.asset_id
        for hit in judgement.hits[:SHOWN]
        for caption in [hit.caption_english or hit.caption_chinese]
    ]


def _header(title: str) -> str:
    return f"{title:<13}{'n':>6}" + "".join(f"{TITLES[name]:>{_WIDTH}}" for name in MEASURES)


def _table(title: str, rows: Sequence[Scores]) -> Iterator[str]:
    yield f"{_header(title)}{TITLES['recall_at_10']:>11}"
    group = rows[0].group if rows and not any(row.group for row in rows) else None
    for row in rows:
        if row.group != group:
            group = row.group
            yield group or WITHOUT_KIND
        cells = "".join(f"{_cell(measured):>{_WIDTH}}" for measured in row.measured().values())
        yield f"{row.query_type:<13}{row.queries:>6}{cells}{row.recall_at_10:>11.3f}"


def _cell(measured: Measured, *, signed: bool = False) -> str:
    value = f"{measured.value:+z.3f}" if signed else f"{measured.value:.3f}"
    return f"{value} [{_short(measured.low)} {_short(measured.high)}]"


def _short(value: float) -> str:
    """Two digits without the zero before the point."""
    text = f"{value:z.2f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _absence_as_text(row: Absence) -> str:
    parts = []
    if row.told is not None:
        parts.append(f"of {row.absent} absent things {_cell(row.told)} are told")
    if row.denied is not None:
        parts.append(f"of {row.present} others {_cell(row.denied)} are denied")
    return f"{row.query_type}: {', '.join(parts)}"


def _left_out(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.without_relevant:
        yield (f"{evaluation.without_relevant} queries left out: the library has nothing that is relevant to them")
    if evaluation.unknown:
        shown = ", ".join(f"'{name}'" for name in evaluation.unknown[:SHOWN])
        more = ", ..." if len(evaluation.unknown) > SHOWN else ""
        yield f"{len(evaluation.unknown)} relevant names are no asset of the library: {shown}{more}"


def _misses(misses: Sequence[Judgement], most: int) -> Iterator[str]:
    if not most:
        return
    yield f"{len(misses)} queries without a relevant result among ten" + (":" if misses else "")
    for each in misses[:most]:
        yield f"  {each.query.text or each.query.image}  ({each.query.where})"
        yield f"    wanted: {', '.join(each.query.relevant)}"
        yield f"    came:   {', '.join(hit_as_text(each)) or 'nothing'}"
    if len(misses) > most:
        yield f"  and {len(misses) - most} more"


def _changes(row: Difference) -> str:
    return f"within ten results {row.gained} queries are gained and {row.lost} lost"
