"""The state of a workspace, and its database server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.errors import MeshseekError
from meshseek.interfaces.cli.options import algorithm, application, common, show
from meshseek.interfaces.cli.tuning import tuning_as_text

if TYPE_CHECKING:
    from meshseek.bootstrap import Meshseek
    from meshseek.workspace.shards import ShardFolder
    from meshseek.workspace.workspace import Workspace

workspace_option = click.option(
    "--workspace", type=click.Path(path_type=Path), help="Folder of all outputs.  [default: workspace]"
)


@click.command("status")
@common
def status_command(*, workspace: Path | None, max_assets: int | None, as_json: bool) -> None:
    """Show what each stage has done, and what is live."""
    with application(workspace=workspace, max_assets=max_assets, needs="published") as meshseek:
        status = _status(meshseek)
    show(status, as_json=as_json, text=_as_text(status))


@click.group("db")
def db_command() -> None:
    """Start, stop or open a workspace's database."""


@db_command.command("start")
@workspace_option
def db_start(*, workspace: Path | None) -> None:
    """Keep the embedded server running until 'db stop'."""
    with application(workspace=workspace, needs="published") as meshseek:
        meshseek.embedded.start_detached()


@db_command.command("stop")
@workspace_option
def db_stop(*, workspace: Path | None) -> None:
    """Stop the embedded server, even if it is in use."""
    with application(workspace=workspace, needs="published") as meshseek:
        meshseek.embedded.stop()


@db_command.command("url")
@algorithm
@workspace_option
def db_url(*, algorithm: str, workspace: Path | None) -> None:
    """Print the address of a database.

    It is given as psql and libpq understand it.
    """
    with application(workspace=workspace, needs="published") as meshseek:
        click.echo(meshseek.server.shown_conninfo(algorithm))
        if meshseek.settings.database_url is None:
            click.echo("the server runs only while it is used; 'meshseek db start' keeps it running", err=True)


@db_command.command("psql", context_settings={"ignore_unknown_options": True})
@algorithm
@workspace_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def db_psql(*, algorithm: str, workspace: Path | None, arguments: tuple[str, ...]) -> None:
    """Open psql; ARGUMENTS are passed to it."""
    from meshseek.store.embedded.server import psql_program

    with application(workspace=workspace, needs="published") as meshseek:
        conninfo = meshseek.server.shown_conninfo(algorithm)
        password = meshseek.server.password(algorithm)  # not among the arguments, which everybody on the machine sees
        environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
        ended = subprocess.run([psql_program(), conninfo, *arguments], env=environment, check=False)
    raise SystemExit(ended.returncode)


def _status(meshseek: Meshseek) -> dict[str, Any]:
    workspace = meshseek.workspace
    tables = {
        "imported": workspace.assets_table(),
        "rendered": workspace.rendered_table(),
        "chinese captions": workspace.chinese_captions_table(),
    }
    return {
        "workspace": str(workspace.folder),
        "stages": {name: _count(workspace, table) for name, table in tables.items()},
        "vectors": {
            name: {source: workspace.vectors_table(name, source).count() for source in workspace.embedded_sources(name)}
            for name in workspace.algorithms()
        },
        "published": {name: _published(meshseek, name) for name in meshseek.search_service.names},
    }


def _count(workspace: Workspace, table: ShardFolder) -> int:
    """Assets that a stage has done, of those that are in the libraries."""
    done = table.fingerprints()
    if not workspace.libraries.are_known:
        return len(done)
    listed = workspace.libraries.current()
    return sum(asset_id in listed for asset_id in done)


def _published(meshseek: Meshseek, algorithm: str) -> dict[str, Any] | str:
    try:
        published = meshseek.search_service.algorithm(algorithm).library.published()
    except MeshseekError as error:
        return str(error)
    return {
        "assets": published.assets,
        "english_captions": published.english_captions,
        "chinese_captions": published.chinese_captions,
        "views": published.views,
        "space": str(published.space),
        "index": published.index_kind,
        "published_at": published.published_at.isoformat(timespec="seconds"),
        "trust": None if published.found is None else round(published.trust, 2),
        "captions_find_views": None if published.found is None else round(published.found, 2),
        "calibrated": [
            f"{kind} to {target}: fair from {each.fair:.2f}, strong from {each.strong:.2f}, {each.queries} queries"
            for (target, kind), each in published.thresholds.items()
        ],
        "tuned": [tuning_as_text(tuning) + f", {tuning.tuned_at:%Y-%m-%d}" for tuning in published.tunings],
    }


def _as_text(status: dict[str, Any]) -> str:
    lines = [f"workspace  {status['workspace']}"]
    lines += [f"{name:<18} {count:>8} assets" for name, count in status["stages"].items()]
    for name, sources in status["vectors"].items():
        lines += [f"{name} {source:<17} {count:>8} vectors" for source, count in sources.items()]
    for name, published in status["published"].items():
        if isinstance(published, str):
            lines.append(f"published {name}: {published}")
            continue
        lines.append(
            f"published {name}: " + ", ".join(f"{k} {v}" for k, v in published.items() if not isinstance(v, list))
        )
        lines += [f"  {line}" for name in ("calibrated", "tuned") for line in published[name]]
    return "\n".join(lines)
