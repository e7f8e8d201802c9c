"""The offline stages as commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.datasets import DATASETS, DatasetOptions
from meshseek.interfaces.cli.options import Layout, Views, algorithm, application, common, engine, show
from meshseek.interfaces.cli.payment import agreed, payment
from meshseek.meshes.spaces import AUTO, UNITS, UPS
from meshseek.model import LANGUAGES, Language, ViewCount
from meshseek.renderers import RENDERERS
from meshseek.store.indexes import INDEXES, default_in_words, default_index
from meshseek.translators import TRANSLATORS

if TYPE_CHECKING:
    from meshseek.bootstrap import Meshseek


@click.command("import")
@click.argument("dataset", type=Layout(DATASETS.names))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--captions", type=click.Path(path_type=Path), help="Captions of the assets: CSV or JSON.")
@click.option("--id-map", type=click.Path(path_type=Path), help="Model file of each render id: JSON (gobjaverse).")
@click.option("--unit", type=click.Choice([*UNITS, AUTO]), help="What all models are in.  [default: as each file says]")
@click.option("--up", type=click.Choice([*UPS, AUTO]), help="Which axis points up.  [default: as each file says]")
@click.option("--library", help="Name of the library.  [default: as before, or made from DATASET and PATH]")
@click.option("--recall", is_flag=True, help="Bring back forgotten assets.")
@click.option("--yes", is_flag=True, help="Let more than a fifth of the library leave the workspace.")
@click.option("--verify", is_flag=True, help="Read the models, and import those again whose content is another.")
@common
def import_command(
    *,
    dataset: str,
    path: Path,
    captions: Path | None,
    id_map: Path | None,
    unit: str | None,
    up: str | None,
    library: str | None,
    recall: bool,
    yes: bool,
    verify: bool,
    workspace: Path | None,
    max_assets: int | None,
    as_json: bool,
) -> None:
    """Import a library: assets, captions and models.

    What is no longer in the library leaves the workspace.
    """
    from meshseek.pipeline.import_assets import LibraryOptions, import_assets
    from meshseek.reporting import ConsoleReporter

    options = DatasetOptions(path=path, captions=captions, id_map=id_map, unit=unit, up=up)
    with application(workspace=workspace, max_assets=max_assets) as meshseek:
        summary = import_assets(
            meshseek.dataset_like_before(dataset, options, library),
            meshseek.workspace,
            workers=meshseek.workers,
            max_assets=meshseek.settings.max_assets,
            reporter=ConsoleReporter(),
            library=LibraryOptions(name=library, yes=yes, recall=recall, verify=verify),
        )
    show_summaries([summary], as_json=as_json)


@click.command("render")
@click.option("--renderer", type=click.Choice(RENDERERS.names), help="[default: as last time, or embree]")
@click.option("--views", type=click.IntRange(1, 40), help="Pictures per asset.  [default: as last time, or 8]")
@click.option("--size", type=click.IntRange(32, 2048), help="Width in pixels.  [default: as last time, or 512]")
@click.option("--verify", is_flag=True, help="Read the views, and render those again whose content is another.")
@engine
@common
def render_command(
    *,
    renderer: str | None,
    views: int | None,
    size: int | None,
    verify: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Render assets that came without views."""
    from meshseek.pipeline.render import render
    from meshseek.reporting import ConsoleReporter

    with application(needs="workspace", **settings) as meshseek:
        given = {"renderer": renderer, "views": views, "size": size}
        options = {**meshseek.usual_rendering(), **{name: value for name, value in given.items() if value is not None}}
        meshseek.workspace.remembered.keep("render", options)
        summary = render(
            meshseek.usual_renderer(),
            meshseek.workspace,
            workers=meshseek.workers,
            max_assets=meshseek.settings.max_assets,
            reporter=ConsoleReporter(),
            verify=verify,
        )
    show_summaries([summary], as_json=as_json)


@click.command("translate")
@click.option("--translator", type=click.Choice(TRANSLATORS.names), default="existing", show_default=True)
@click.option("--model", help="Another chat model of the translator's service.")
@click.option(
    "--terms",
    type=click.Path(path_type=Path),
    help="Words with a fixed translation: CSV with the columns source and target.",
)
@click.option("--input-file", type=click.Path(path_type=Path), help="Write the requests here, and send nothing.")
@click.option("--output-file", type=click.Path(path_type=Path), help="Read the answers from here, and send nothing.")
@payment
@engine
@common
def translate_command(
    *,
    translator: str,
    model: str | None,
    terms: Path | None,
    input_file: Path | None,
    output_file: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Give assets Chinese captions.

    They are the library's own, or translated by a chat model: a service, which is asked from here whatever the engine.
    """
    from meshseek.pipeline.translate import preview, translate, write_requests
    from meshseek.reporting import ConsoleReporter

    if input_file and output_file:
        raise click.UsageError("give --input-file before your engine runs, and --output-file afterwards, not both")
    reporter = ConsoleReporter()
    with application(needs="workspace", **settings) as meshseek:
        first = meshseek.settings.max_assets
        chosen = meshseek.translator(translator, model=model, terms=terms, say=reporter.say)
        if input_file:
            written = write_requests(chosen, meshseek.workspace, input_file, max_assets=first)
            value = {"requests": written, "file": str(input_file)}
            show(value, as_json=as_json, text=f"{written:,} requests written to {input_file}")
            return
        if not output_file or dry_run:
            estimate = preview(chosen, meshseek.workspace, max_assets=first)
            if not agreed(estimate, dry_run=dry_run, yes=yes, as_json=as_json):
                return
        if chosen.translates:
            options = {"translator": translator, "model": model, "terms": str(terms.absolute()) if terms else None}
            meshseek.workspace.remembered.keep("translate", options)
        summary = translate(chosen, meshseek.workspace, max_assets=first, reporter=reporter, answers=output_file)
    show_summaries([summary], as_json=as_json)


@click.command("embed")
@algorithm
@click.option("--model", help="Another model of the same algorithm: its id, or the folder it is in.")
@click.option("--model-dir", type=click.Path(path_type=Path), help="Folder of model weights.")
@click.option("--dim", type=click.IntRange(1), help="Length of the vectors, for models that can shorten them.")
@click.option(
    "--language",
    "languages",
    type=click.Choice(LANGUAGES),
    multiple=True,
    help="Language of captions to embed; may be given several times.",
)
@click.option(
    "--views",
    type=Views(),
    help="Views of each asset to embed, at even distances.  [default: as last time, or as suits the algorithm]",
)
@click.option("--export-onnx", is_flag=True, help="Also export the text encoder to ONNX, for faster queries on a CPU.")
@payment
@engine
@common
def embed_command(
    *,
    algorithm: str,
    model: str | None,
    model_dir: Path | None,
    dim: int | None,
    languages: tuple[Language, ...],
    views: ViewCount | None,
    export_onnx: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Turn captions and views into vectors."""
    from meshseek.pipeline.embed import embed, preview
    from meshseek.reporting import ConsoleReporter

    if model and Path(model).is_dir():
        model_dir, model = Path(model), None
    reporter = ConsoleReporter()
    with application(needs="workspace", model_dir=model_dir, **settings) as meshseek:
        first = meshseek.settings.max_assets
        views = views or meshseek.workspace.chosen_views(algorithm)
        embedder = meshseek.embedder(algorithm, model, dim, languages or None, views)
        meshseek.remember_model_folder(algorithm)
        if export_onnx and not dry_run:
            reporter.say("exporting to ONNX, which takes a minute or two")
            reporter.say(embedder.export_onnx())
        estimate = preview(embedder, algorithm, meshseek.workspace, max_assets=first)
        if not agreed(estimate, dry_run=dry_run, yes=yes, as_json=as_json):
            return
        workers = meshseek.workers
        summaries = embed(embedder, algorithm, meshseek.workspace, max_assets=first, reporter=reporter, workers=workers)
    show_summaries(summaries, as_json=as_json)


@click.command("publish")
@algorithm
@click.option(
    "--index",
    type=click.Choice(INDEXES.names),
    help=f"Kind of index.  [default: as last time, or {default_in_words()}]",
)
@common
def publish_command(
    *, algorithm: str, index: str | None, workspace: Path | None, max_assets: int | None, as_json: bool
) -> None:
    """Make an algorithm's vectors searchable.

    They are loaded into its database and go live in one step.
    """
    from meshseek.pipeline.publish import publish
    from meshseek.reporting import ConsoleReporter

    reporter = ConsoleReporter()
    with application(workspace=workspace, max_assets=max_assets, needs="workspace") as meshseek:
        kept = index or meshseek.usual_index(algorithm)
        suited = default_index(meshseek.workspace.asset_count())
        if index is None and suited != kept:
            reporter.say(f"publish: the index stays '{kept}'; a new library of this size would get '--index {suited}'")
        meshseek.workspace.remembered.keep("publish", {"index": kept}, algorithm)
        summary = publish(
            algorithm,
            meshseek.workspace,
            meshseek.databases,
            index_kind=kept,
            max_assets=meshseek.settings.max_assets,
            reporter=reporter,
        )
        if summary.details and not meshseek.settings.has_named_servers:
            _tell_memory(meshseek, algorithm, kept, summary.details)
    show_summaries([summary], as_json=as_json)


def _tell_memory(meshseek: Meshseek, algorithm: str, kind: str, counts: Mapping[str, int]) -> None:
    """Say where this machine has less memory than searches of what was published read."""
    import psutil

    from meshseek.pipeline.planning.algorithms import facts_of
    from meshseek.pipeline.planning.resident import published_note
    from meshseek.reporting import ConsoleReporter

    source, *_ = meshseek.workspace.embedded_sources(algorithm)
    space = meshseek.workspace.vectors_table(algorithm, source).header["space"]
    facts = facts_of(algorithm, space["model"], space["dim"], gpu=False)
    note = published_note(counts, facts, kind, psutil.virtual_memory().total)
    if note:
        ConsoleReporter().say(f"publish: {note}")


def show_summaries(summaries: list[Any], *, as_json: bool) -> None:
    """Print what stages did."""
    value = [summary.as_json() for summary in summaries]
    text = "\n".join(str(summary) for summary in summaries)
    show(value[0] if len(value) == 1 else value, as_json=as_json, text=text)
