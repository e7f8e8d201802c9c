"""``meshseek tune``: how widely the index is asked."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshseek.interfaces.cli.options import algorithm, application, common, show

if TYPE_CHECKING:
    from meshseek.store.read.published import Tuning


@click.command("tune")
@algorithm
@click.option(
    "--recall",
    type=click.FloatRange(0.5, 1),
    default=0.99,
    show_default=True,
    help="Share of an exact search's ten results that the index must find, in the mean.",
)
@click.option(
    "--lost",
    type=click.FloatRange(0, 0.5),
    default=0,
    show_default=True,
    help="Share of the queries that may find less than half of them.",
)
@click.option(
    "--queries", type=click.IntRange(10, 10_000), default=1000, show_default=True, help="Queries to measure with."
)
@common
def tune_command(
    *,
    algorithm: str,
    recall: float,
    lost: float,
    queries: int,
    workspace: Path | None,
    max_assets: int | None,
    as_json: bool,
) -> None:
    """Find the fastest good setting of the index.

    The published index is measured; the fastest setting that finds what an exact search finds, for every query, is
    kept.
    """
    from meshseek.reporting import ConsoleReporter
    from meshseek.search.tuning import Goal, Tuners

    reporter = ConsoleReporter()
    with application(workspace=workspace, max_assets=max_assets, needs="published", partial_answers=False) as meshseek:
        library = meshseek.search_service.algorithm(algorithm).library
        published, found = library.published(), []
        tuners = Tuners(library, published, queries)
        with reporter.bar("exact answers", len(tuners)) as advance:
            for vectors in tuners.compare():
                advance(vectors)
        for tuner in tuners:
            with reporter.bar(f"{tuner.kind} to {tuner.target}", tuner.steps) as advance:
                found.append(tuner.tune(Goal(recall, lost), advance))
        library.keep_tunings(published, found)
    value = [{**asdict(tuning), "tuned_at": tuning.tuned_at.isoformat(timespec="seconds")} for tuning in found]
    show(value, as_json=as_json, text="\n".join(map(tuning_as_text, found)))


def tuning_as_text(tuning: Tuning) -> str:
    """One line about one kind of query."""
    missed = ""
    if not tuning.is_reached:
        missed = f" (goal {tuning.goal:g} with {100 * tuning.lost_goal:.2g} % below .5 not reached by any setting)"
    return (
        f"{f'{tuning.kind} to {tuning.target}':<19} recall@10 {tuning.recall:.4f} (>= {tuning.recall_at_least:.4f}), "
        f"below .5: {100 * tuning.share_lost:.2g} % (<= {100 * tuning.lost_at_most:.2g} %), worst {tuning.worst:.2g}"
        f"{missed}, p50 {tuning.p50_ms:.1f} ms, "
        f"ef {tuning.ef}, candidates {tuning.candidates}, {tuning.queries} queries"
    )
