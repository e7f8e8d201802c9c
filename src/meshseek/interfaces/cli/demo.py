"""``meshseek demo``: a real furniture library from nothing to a running search."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.interfaces.cli.options import application, show
from meshseek.interfaces.cli.serving import api_port_option, check_keys, check_port, no_ui_option, serve, ui_port_option

if TYPE_CHECKING:
    from meshseek.bootstrap import Meshseek
    from meshseek.datasets import Dataset
    from meshseek.reporting import ConsoleReporter

ALGORITHM = "lite"
DEFAULT_ASSETS = 240
VIEWS, VIEW_SIZE = 8, 256
SAMPLE_TEXTS = ("wooden chair", "沙发")


@click.command("demo")
@click.option("--assets", metavar="N|all", help=f"Number of assets.  [default: MAX_ASSETS, or {DEFAULT_ASSETS}]")
@click.option("--once", is_flag=True, help="Stop after the sample searches instead of serving.")
@click.option("--json", "as_json", is_flag=True, help="Print stages and results as JSON.")
@api_port_option
@ui_port_option
@no_ui_option
@click.option("--workspace", type=click.Path(path_type=Path), help="Folder of all outputs.  [default: workspace]")
def demo_command(
    *, assets: str | None, once: bool, as_json: bool, api_port: int, ui_port: int, no_ui: bool, workspace: Path | None
) -> None:
    """Try Meshseek with a library of furniture.

    The library is fetched, made searchable and served, after three sample searches.
    """
    if assets not in (None, "all") and not (assets.isdecimal() and int(assets) > 0):
        raise click.BadParameter("give a number of at least 1, or 'all'", param_hint="--assets")
    with application(workspace=workspace) as meshseek:
        if not once:
            check_keys(meshseek)
            check_port(meshseek.settings.host, api_port, "--api-port")
            if not no_ui:
                check_port(meshseek.settings.host, ui_port, "--ui-port")
        chosen = int(assets) if assets and assets != "all" else None
        default = None if assets else meshseek.settings.max_assets or DEFAULT_ASSETS
        summaries = _prepare(meshseek, chosen or default)
        searches = _sample_searches(meshseek, as_json=as_json)
        if as_json:
            show({"stages": summaries, "searches": searches}, as_json=True, text="")
        if not once:
            serve(meshseek, api_port, None if no_ui else ui_port)


def _prepare(meshseek: Meshseek, max_assets: int | None) -> list[dict[str, Any]]:
    """Run all stages; what is done already is not done again."""
    from meshseek.pipeline.embed import embed
    from meshseek.pipeline.import_assets import import_assets
    from meshseek.pipeline.publish import publish
    from meshseek.pipeline.render import render
    from meshseek.pipeline.translate import translate
    from meshseek.reporting import ConsoleReporter

    reporter = ConsoleReporter()
    workspace, workers = meshseek.workspace, meshseek.workers
    started = time.monotonic()
    dataset = _dataset(meshseek, max_assets, reporter)
    summaries = [{"stage": "fetch", "seconds": round(time.monotonic() - started, 3)}]

    def add(*done: Any) -> None:
        for summary in done:
            reporter.say(str(summary))
            summaries.append(summary.as_json())

    # Only the import is limited: whatever else the workspace holds stays searchable beside the furniture.
    single: dict[str, Any] = {"max_assets": None, "reporter": reporter}
    add(import_assets(dataset, workspace, workers=workers, max_assets=max_assets, reporter=reporter))
    workspace.remembered.keep("render", {"renderer": "embree", "views": VIEWS, "size": VIEW_SIZE})
    add(render(meshseek.renderer("embree", views=VIEWS, size=VIEW_SIZE), workspace, workers=workers, **single))
    add(translate(meshseek.translator("existing"), workspace, **single))
    add(*embed(meshseek.embedder(ALGORITHM), ALGORITHM, workspace, workers=workers, **single))
    add(publish(ALGORITHM, workspace, meshseek.databases, **single))
    return summaries


def _dataset(meshseek: Meshseek, max_assets: int | None, reporter: ConsoleReporter) -> Dataset:
    """The furniture library, or generated assets where it cannot be had."""
    from meshseek.datasets import DatasetOptions
    from meshseek.errors import FetchError
    from meshseek.pipeline.fetch import fetch_furniture
    from meshseek.pipeline.sample_assets import make_sample_assets

    cache = meshseek.workspace.folder / "cache"
    try:
        return meshseek.dataset("sweethome3d", DatasetOptions(path=fetch_furniture(cache, reporter.say)))
    except FetchError as error:
        reporter.say(f"the furniture library cannot be fetched: {error}")
    reporter.say(
        "using generated assets instead. To search real ones, download .sh3f libraries from sweethome3d.com and run "
        "'meshseek import sweethome3d FOLDER', or 'meshseek import folder FOLDER' for models of your own; "
        "then render, translate, embed and publish"
    )
    folder = make_sample_assets(cache / "generated", max_assets or DEFAULT_ASSETS)
    return meshseek.dataset("folder", DatasetOptions(path=folder, captions=folder / "captions.csv"))


def _sample_searches(meshseek: Meshseek, *, as_json: bool) -> list[dict[str, Any]]:
    """Search in English, in Chinese and with a picture, and show what is found."""
    from meshseek.images import read_image
    from meshseek.interfaces.cli.searching import answer_as_json, answer_as_text
    from meshseek.search.query import Query
    from meshseek.workspace.view_files import view_file

    algorithm = meshseek.search_service.algorithm(ALGORITHM)
    queries = [(text, Query(text=text, top_k=3)) for text in SAMPLE_TEXTS]
    shown = algorithm.search(queries[0][1]).hits
    best = algorithm.library.asset(shown[0].asset_id) if shown else None
    if best is not None and best.view_folder is not None:
        workspace = meshseek.workspace
        root = workspace.view_root(best.view_folder, best.attributes.get("library"))
        picture = view_file(workspace.folder / best.view_folder, best.viewpoint_ids[-1], root)
        queries.append((f"the picture {picture}", Query(image=read_image(picture), top_k=3)))
    found = []
    for title, query in queries:
        answer = algorithm.search(query)
        if not as_json:
            show(None, as_json=False, text=f"\n{title}\n{answer_as_text(answer)}")
        found.append({"query": title, **answer_as_json(answer)})
    return found
