"""Keeping a workspace right: update, check and clean."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.embedders import EMBEDDERS
from meshseek.errors import DatabaseError, MeshseekError
from meshseek.interfaces.cli.options import application, common, engine, show, workspace_options
from meshseek.untrusted.text import printable

if TYPE_CHECKING:
    from meshseek.bootstrap import Meshseek
    from meshseek.pipeline.check import Report
    from meshseek.pipeline.update import Updated
    from meshseek.reporting import Reporter

DEFAULT_ALGORITHM = "lite"
RARELY = 1_000_000
"""Objects more than before, until Python looks for cycles among them."""
SHOWN = 10
"""Paths of each kind that are listed; --json lists all."""


@click.command("update")
@click.option(
    "--algorithm",
    "algorithms",
    type=click.Choice(EMBEDDERS.names),
    multiple=True,
    help="Algorithm to update; may be given several times.  [default: all that have vectors]",
)
@click.option("--dry-run", is_flag=True, help="Show what there is to do, and do nothing.")
@click.option("--yes", is_flag=True, help="Also do paid or long work, and let any number of assets leave.")
@click.option("--verify", is_flag=True, help="Read models and views, and make those again whose content is another.")
@click.option("--watch", is_flag=True, help="Then update whenever files of a library change, until Ctrl-C.")
@engine
@common
def update_command(
    *,
    algorithms: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    verify: bool,
    watch: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Bring everything up to date with the libraries.

    What has changed is imported, rendered, translated, embedded and published.
    """
    from meshseek.pipeline.update import UpdateOptions, plan
    from meshseek.reporting import ConsoleReporter

    reporter = ConsoleReporter()
    with application(needs="workspace", **settings) as meshseek:
        options = UpdateOptions(
            algorithms=algorithms or meshseek.workspace.algorithms() or (DEFAULT_ALGORITHM,),
            workers=meshseek.workers,
            max_assets=meshseek.settings.max_assets,
            yes=yes,
            verify=verify,
        )
        if dry_run:
            planned = plan(meshseek, options)
            show(planned, as_json=as_json, text="\n".join(_plan_as_text(planned)))
            return
        updated = _update(meshseek, options, reporter, as_json=as_json)
        if watch:
            with suppress(KeyboardInterrupt):
                _watch(meshseek, options, reporter, as_json=as_json)
    if updated.failed:
        raise SystemExit(1)


@click.command("check")
@click.option(
    "--verify", is_flag=True, help="Read every file, including those of the libraries, and compare its content."
)
@click.option("--repair", is_flag=True, help="Make again what is missing, altered, damaged or outdated.")
@click.option("--yes", is_flag=True, help="With --repair: as for 'update'.")
@workspace_options
def check_command(*, verify: bool, repair: bool, yes: bool, workspace: Path | None, as_json: bool) -> None:
    """Find missing, altered and outdated data.

    Missing: a file that should be there is not. Altered: its content is not what was written. Damaged: a part of a
    table cannot be read. Lost: a library cannot be read. Outdated: made or published from an earlier state. Waiting,
    skipped: not done yet, or could not be done. Orphaned: a file that nobody needs.

    The exit status is 1 if anything is found, apart from waiting and skipped assets and orphaned files.
    """
    from meshseek.pipeline.update import UpdateOptions, update
    from meshseek.reporting import ConsoleReporter

    reporter = ConsoleReporter()
    with application(workspace=workspace, needs="workspace") as meshseek:
        report = _check(meshseek, reporter, verify=verify)
        if repair and not report.is_sound:
            names = meshseek.workspace.algorithms() or (DEFAULT_ALGORITHM,)
            again, workers = frozenset(report.changed), meshseek.workers
            options = UpdateOptions(algorithms=names, workers=workers, yes=yes, verify=verify, again=again)
            updated = update(meshseek, options, reporter)
            reporter.say("\n".join(map(str, updated.summaries)))
            _tell(updated)
            report = _check(meshseek, reporter, verify=verify)
    show(report.as_json(), as_json=as_json, text="\n".join(_report_as_text(report)))
    if not report.is_sound:
        raise SystemExit(1)


@click.command("clean")
@click.option("--dry-run", is_flag=True, help="Show how much it would free, and delete nothing.")
@workspace_options
def clean_command(*, dry_run: bool, workspace: Path | None, as_json: bool) -> None:
    """Delete files and vectors that nobody needs.

    That is what neither an asset of the workspace nor a published version needs any longer.
    """
    from meshseek.pipeline.clean import clean

    with application(workspace=workspace, needs="workspace") as meshseek:
        summary = clean(meshseek.workspace, meshseek.databases, list(EMBEDDERS.names), dry_run=dry_run)
    verb = "would free" if dry_run else "freed"
    freed = summary.details["bytes freed"]
    text = f"clean: {summary.done:,} files of models and views; {verb} {freed / 1e6:,.1f} MB, {summary.seconds:.1f} s"
    show(summary.as_json(), as_json=as_json, text=text)


def _update(meshseek: Meshseek, options: Any, reporter: Reporter, *, as_json: bool) -> Updated:
    from meshseek.pipeline.update import update

    # Rows by the million live until their stage ends and hold no cycles: looking for some takes a fifth of the time.
    gc.set_threshold(RARELY)
    updated = update(meshseek, options, reporter)
    show(updated.as_json(), as_json=as_json, text="\n".join(_updated_as_text(updated)))
    _tell(updated)
    return updated


def _tell(updated: Updated) -> None:
    for note in updated.notes:
        click.echo(printable(f"meshseek: {note}"), err=True)


def _watch(meshseek: Meshseek, options: Any, reporter: Reporter, *, as_json: bool) -> None:
    """Update after each change of files; what goes wrong once is told, and the next change is tried again."""
    from meshseek.pipeline.watching import changes

    for _ in changes(meshseek.workspace, reporter):
        try:
            _update(meshseek, options, reporter, as_json=as_json)
        except MeshseekError as error:
            click.echo(printable(f"meshseek: {error}"), err=True)


def _check(meshseek: Meshseek, reporter: Reporter, *, verify: bool) -> Report:
    from meshseek.interfaces.outdated import is_outdated
    from meshseek.pipeline.check import check, verify_sources
    from meshseek.pipeline.clean import find_garbage

    report = check(meshseek.workspace, reporter, verify=verify)
    if verify and not report.damaged:
        verify_sources(meshseek.workspace, meshseek.dataset_of, report, reporter)
    if report.damaged:
        return report
    try:
        report.orphaned = find_garbage(meshseek.workspace, meshseek.databases, list(EMBEDDERS.names)).files
        names = meshseek.workspace.algorithms()
        report.outdated_publications = [name for name in names if is_outdated(meshseek, name)]
    except DatabaseError as error:  # what was read of the files is not lost for that
        reporter.say(f"check: what is published and what is orphaned cannot be told: {error}")
    return report


def _plan_as_text(planned: Any) -> Iterator[str]:
    for name, stages in planned.items():
        listed = ", ".join(f"{stage} {count:,}" for stage, count in sorted(stages.items()) if count)
        yield f"{name or 'assets'}: {listed or 'nothing to do'}"


def _updated_as_text(updated: Updated) -> Iterator[str]:
    """A table of what was and what is, then what each stage did."""
    columns = ("library", "before", "now", "imported", "left", "skipped")
    yield f"{columns[0]:<32}" + "".join(f"{column:>10}" for column in columns[1:])
    imports = {summary.stage.removeprefix("import "): summary for summary in updated.summaries}
    for name, (before, now) in updated.libraries.items():
        done = imports.get(name)
        numbers = (done.done, done.details.get("left the library", 0), done.skipped) if done else ("-", "-", "-")
        yield f"{name:<32}" + "".join(f"{number:>10}" for number in (before, now, *numbers))
    yield from map(str, updated.summaries)


def _report_as_text(report: Report) -> Iterator[str]:
    for kind in ("missing", "altered"):
        yield from _paths(kind, [fault.path for fault in report.faults if fault.kind == kind])
    yield from (f"altered: the library's file of {asset_id}" for asset_id in report.changed[:SHOWN])
    yield from _paths("damaged", report.damaged)
    yield from (f"lost: {line}" for line in report.lost_libraries.values())
    for name, standing in report.standings.items():
        for stage, count in standing.outdated.items():
            yield f"outdated: {count:,} assets of {name or 'the workspace'}, for stage '{stage}'"
        for stage, count in standing.waiting.items():
            yield f"waiting: {count:,} assets of {name or 'the workspace'} have nothing of stage '{stage}'"
        for stage, count in standing.skipped.items():
            yield f"skipped: {count:,} assets of {name or 'the workspace'} by '{stage}'; its skipped.jsonl says why"
    yield from (f"outdated: what is published of '{name}'" for name in report.outdated_publications)
    yield from _paths("orphaned", report.orphaned)
    if report.is_sound:
        yield "everything is there, as it was written, and nothing is outdated"
    else:
        yield "run 'meshseek check --repair' to repair this"


def _paths(kind: str, paths: Sequence[Path]) -> Iterator[str]:
    yield from (f"{kind}: {path}" for path in paths[:SHOWN])
    if len(paths) > SHOWN:
        yield f"{kind}: {len(paths) - SHOWN:,} more; --json lists them"
