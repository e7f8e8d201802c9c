"""``meshseek bench``: libraries of any size to measure with."""

from __future__ import annotations

from pathlib import Path

import click

from meshseek.interfaces.cli.options import ViewRange, application, show


@click.group("bench")
def bench_command() -> None:
    """Make libraries of any size for measuring."""


@bench_command.command("make")
@click.option("--assets", type=click.IntRange(1), required=True, help="Number of assets.")
@click.option(
    "--views",
    type=ViewRange(),
    default="8",
    show_default=True,
    help="Views of each asset, or from how many to how many.",
)
@click.option("--dim", type=click.IntRange(2, 4000), default=768, show_default=True, help="Length of the vectors.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed gives another library."
)
@click.option(
    "--likeness",
    type=click.FloatRange(0.05, 1),
    default=0.95,
    show_default=True,
    help="Mean cosine of two views of one asset.",
)
@click.option("--workspace", type=click.Path(path_type=Path), required=True, help="An empty folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def bench_make(
    *, assets: int, views: tuple[int | None, int], dim: int, seed: int, likeness: float, workspace: Path, as_json: bool
) -> None:
    """Write a library of made-up vectors; then 'meshseek publish --algorithm synthetic'."""
    from meshseek.pipeline.synthetic import LibrarySize, make_library
    from meshseek.reporting import ConsoleReporter

    fewest, most = views
    size = LibrarySize(assets=assets, views=most, fewest_views=fewest, dim=dim, seed=seed, likeness=likeness)
    with application(workspace=workspace) as meshseek:
        summary = make_library(size, meshseek.workspace, ConsoleReporter())
    show(summary.as_json(), as_json=as_json, text=str(summary))
