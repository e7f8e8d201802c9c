"""``meshseek evaluate``: how good the search is, on judged queries or on a public benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshseek import __version__
from meshseek.evaluation.benchmarks import BENCHMARKS, SAMPLE
from meshseek.interfaces.cli.options import algorithm, application, common, show
from meshseek.interfaces.cli.payment import agreed, payment
from meshseek.interfaces.cli.searching import cross_modal_option, target_option

if TYPE_CHECKING:
    from meshseek.bootstrap import Meshseek
    from meshseek.evaluation.judging import Expected
    from meshseek.evaluation.measured import Report
    from meshseek.evaluation.setting import Setting
    from meshseek.model import Estimate

AGAINST_HELP = (
    "Compare with the same search, changed: 'target=caption', or 'algorithm=siglip target=both'; "
    "may be given several times."
)


@click.command("evaluate")
@click.argument("queries", nargs=-1, type=click.Path(path_type=Path))
@algorithm
@target_option
@cross_modal_option
@click.option("--against", multiple=True, metavar="SETTING", help=AGAINST_HELP)
@click.option(
    "--benchmark",
    type=(click.Choice(BENCHMARKS), click.Path(path_type=Path)),
    metavar="NAME FILE",
    help=f"Measure on public data instead: {' or '.join(BENCHMARKS)}, and the file you have of it.",
)
@click.option(
    "--sample",
    type=click.IntRange(1, 20_000),
    default=SAMPLE,
    show_default=True,
    help="Queries of a benchmark, drawn at random, always the same ones.",
)
@click.option("--misses", type=click.IntRange(0), default=0, metavar="N", help="List N queries that found nothing.")
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page with tables and plots.")
@payment
@common
def evaluate_command(
    *,
    queries: tuple[Path, ...],
    algorithm: str,
    target: str | None,
    cross_modal: bool | None,
    against: tuple[str, ...],
    benchmark: tuple[str, Path] | None,
    sample: int,
    misses: int,
    report: Path | None,
    dry_run: bool,
    yes: bool,
    workspace: Path | None,
    max_assets: int | None,
    as_json: bool,
) -> None:
    """Score the search with judged QUERIES, or with a benchmark.

    QUERIES are CSV files with the columns text, image, relevant and, optionally, language and kind. Where relevant is
    empty, the query is about something that the library has not. A benchmark's queries are also asked in Chinese,
    where the workspace has a translator.
    """
    from meshseek.evaluation.setting import Setting, changed

    _check_arguments(queries, benchmark, against, dry_run=dry_run)
    if report is not None and (report.is_dir() or not report.absolute().parent.is_dir()):
        raise click.UsageError(f"{report} cannot be written; give a file in a folder that is there")
    setting = Setting(algorithm=algorithm, target=target, cross_modal=cross_modal)

    def agree(estimate: Estimate | None) -> bool:
        return agreed(estimate, dry_run=dry_run, yes=yes, as_json=as_json)

    if benchmark:
        measure = _benchmark(benchmark, setting, sample, agree)
    else:
        measure = _judged(queries, [setting, *(changed(setting, words) for words in against)])
    with application(workspace=workspace, max_assets=max_assets, needs="published", partial_answers=False) as meshseek:
        measured = measure(meshseek)
    if measured is not None:
        _show(measured, report, misses, as_json=as_json)


def _check_arguments(
    queries: Sequence[Path], benchmark: tuple[str, Path] | None, against: Sequence[str], *, dry_run: bool
) -> None:
    if bool(queries) == bool(benchmark):
        raise click.UsageError("give files of judged queries or a --benchmark, one of the two")
    if benchmark and against:
        raise click.UsageError("a benchmark compares the targets by itself; give --against with files of queries")
    if dry_run and not benchmark:
        raise click.UsageError("--dry-run tells what translating a benchmark's queries costs; give a --benchmark")


def _judged(files: Sequence[Path], settings: Sequence[Setting]) -> Callable[[Meshseek], Report | None]:
    """Read the files at once, so that a bad one is told before anything is started."""
    from meshseek.evaluation.judged import read_queries
    from meshseek.evaluation.measured import Report, compared, measure
    from meshseek.reporting import ConsoleReporter

    queries = read_queries(files)

    def measured(meshseek: Meshseek) -> Report:
        evaluations = measure(meshseek.search_service, settings, queries, ConsoleReporter())
        facts = {"queries": ", ".join(map(str, files)), **_facts(meshseek, settings)}
        return Report(
            title="How good the search is", facts=facts, evaluations=evaluations, comparisons=compared(evaluations)
        )

    return measured


def _benchmark(
    benchmark: tuple[str, Path], setting: Setting, sample: int, agree: Callable[[Estimate | None], bool]
) -> Callable[[Meshseek], Report | None]:
    from meshseek.evaluation.benchmarks.drawing import draw, read_benchmark
    from meshseek.evaluation.benchmarks.running import notes_of, run_benchmark, settings_of
    from meshseek.evaluation.measured import Report
    from meshseek.reporting import ConsoleReporter

    name, file = benchmark
    items = read_benchmark(name, file)

    def measured(meshseek: Meshseek) -> Report | None:
        algorithm = meshseek.search_service.algorithm(setting.algorithm)
        drawn = draw(items, file, algorithm.library, sample)
        translated = _chinese(meshseek, name, drawn.expected, agree)
        if translated is None:
            return None
        chinese, without = translated
        expected = [*drawn.expected, *chinese]
        settings = settings_of(setting)
        with ConsoleReporter().bar(name, len(expected) * len(settings)) as advance:
            evaluations = run_benchmark(algorithm, settings, expected, advance)
        notes = notes_of(name, drawn, algorithm.library.published().assets, without)
        facts = {"benchmark": f"{name}, {file}", **_facts(meshseek, settings[:1])}
        return Report(
            title=f"Text to assets: {name}", facts=facts, evaluations=evaluations, notes=notes, benchmark=name
        )

    return measured


def _chinese(
    meshseek: Meshseek, name: str, expected: Sequence[Expected], agree: Callable[[Estimate | None], bool]
) -> tuple[list[Expected], str | None] | None:
    """The queries in Chinese, and why some are missing; None where the user does not want to pay."""
    from meshseek.evaluation.benchmarks.drawing import in_chinese
    from meshseek.evaluation.benchmarks.translations import Translations

    translations = Translations(meshseek.workspace.folder / "benchmarks" / f"{name}-chinese.json")
    missing = translations.missing([each.query.text or "" for each in expected])
    translator = meshseek.usual_translator()
    estimate = translator.estimate(missing) if translator.translates and missing else None
    if not agree(estimate):
        return None
    if translator.translates:
        translations.add(missing, translator)
    chinese, unsearchable = in_chinese(expected, translations.known)
    lacking = len(expected) - len(chinese) - unsearchable
    cure = "name a translator once by 'meshseek translate --translator openai_chat', and they are translated and kept"
    notes = [f"{lacking:,} queries are not asked in Chinese: {cure}."] if lacking else []
    if unsearchable:
        notes.append(f"The Chinese of {unsearchable:,} queries cannot be searched, as it is too long or holds no word.")
    return chinese, " ".join(notes) or None


def _facts(meshseek: Meshseek, settings: Sequence[Setting]) -> dict[str, str]:
    """What was measured on."""
    facts = {}
    for name in dict.fromkeys(setting.algorithm for setting in settings):
        published = meshseek.search_service.algorithm(name).library.published()
        facts[name] = f"{published.assets:,} assets, {published.space}"
    return facts | {"measured": f"{datetime.now(UTC).date()}, with Meshseek {__version__}"}


def _show(measured: Report, file: Path | None, misses: int, *, as_json: bool) -> None:
    from meshseek.evaluation.report import write_report
    from meshseek.evaluation.text import report_as_text
    from meshseek.evaluation.values import report_as_value

    measured = replace(measured, misses=misses)
    if file is not None:
        write_report(measured, file)
    show(report_as_value(measured), as_json=as_json, text=report_as_text(measured))
