"""``meshseek plan``: what a library takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.errors import EmbedderError, InputError
from meshseek.interfaces.cli.options import algorithm, application, show, workspace_options
from meshseek.interfaces.cli.plan_text import GB, cluster_lines, note_lines, plan_lines
from meshseek.store.indexes import INDEXES, default_in_words, default_index

if TYPE_CHECKING:
    from meshseek.bootstrap import Meshseek
    from meshseek.model import Estimate
    from meshseek.pipeline.planning.algorithms import Facts
    from meshseek.pipeline.planning.amounts import Amounts
    from meshseek.pipeline.planning.held import Held
    from meshseek.pipeline.planning.machine import Machine
    from meshseek.pipeline.planning.plan import Plan

SAMPLE = 1000
"""Captions that a price is told by."""
USUAL_CAPTION = "A small wooden chair with four legs and a red cushion on its seat, low-poly"
USUAL_VIEWS = 8
MONEY = click.FloatRange(0, 10**6)
CLUSTER = {
    "workers": click.option("--workers", type=click.IntRange(1, 10_000), help="Machines that render and embed."),
    "efficiency": click.option(
        "--efficiency",
        type=click.FloatRange(0, 1, min_open=True),
        help="Of each worker beside a machine alone.  [default: .9, the goal of 'make bench-cluster']",
    ),
    "shards": click.option("--shards", type=click.IntRange(1, 1000), help="Database servers that share the library."),
    "replicas": click.option("--replicas", type=click.IntRange(0, 100), help="Replicas of each of them."),
    "node_cost": click.option("--node-cost", type=MONEY, help="Price of a machine and hour, in any currency."),
    "gpu_cost": click.option("--gpu-cost", type=MONEY, help="Price of a worker with a GPU and hour, likewise."),
}


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options about several machines; those that are given come as ``layout``."""

    @wraps(command)
    def with_layout(**values: Any) -> None:
        layout = {name: value for name in CLUSTER if (value := values.pop(name)) is not None}
        command(**values, layout=layout)

    decorated: Callable[..., None] = with_layout
    for option in reversed(CLUSTER.values()):
        decorated = option(decorated)
    return decorated


@click.command("plan")
@click.option("--assets", type=click.IntRange(1, 10**9), help="Plan for so many assets.  [default: those imported]")
@click.option(
    "--views",
    type=click.IntRange(1, 1000),
    help="With --assets: pictures of each.  [default: 8]  Without: how many to embed.  [default: as 'embed' would]",
)
@algorithm
@click.option("--model", help="Another model of the algorithm: its id.")
@click.option("--dim", type=click.IntRange(1, 4000), help="Length of the vectors, where it is not the usual one.")
@click.option(
    "--index",
    type=click.Choice(INDEXES.names),
    help=f"Kind of index.  [default: as last time, or {default_in_words()}]",
)
@click.option(
    "--chinese", is_flag=True, help="With --assets: captions are translated, and embedded in Chinese as well."
)
@click.option("--cores", type=click.IntRange(1, 4096), help="Of another machine.")
@click.option("--memory", type=click.FloatRange(0.5, 100_000), help="Of another machine, in GB.")
@click.option("--disk", type=click.FloatRange(0, 10**6), help="Free GB there.")
@click.option("--gpu/--no-gpu", default=None, help="Whether it has a GPU.  [default: as this one]")
@click.option("--measure", is_flag=True, help="Load the model and measure it here for a few seconds.")
@click.option("--pictures-per-second", type=click.FloatRange(0, min_open=True), help="As measured elsewhere.")
@cluster_options
@workspace_options
def plan_command(
    *,
    assets: int | None,
    views: int | None,
    algorithm: str,
    model: str | None,
    dim: int | None,
    index: str | None,
    chinese: bool,
    cores: int | None,
    memory: float | None,
    disk: float | None,
    gpu: bool | None,
    measure: bool,
    pictures_per_second: float | None,
    workspace: Path | None,
    as_json: bool,
    layout: dict[str, Any],
) -> None:
    """Say what a library takes: disk, memory, hours and money.

    It is that of the workspace, or one of --assets and --views; on this machine, or on one of --cores, --memory, --disk
    and --gpu. With --workers, --shards, --replicas or a price it is also told of each of several such machines.
    """
    from meshseek.pipeline.planning.machine import machine_of
    from meshseek.pipeline.planning.plan import make_plan, with_speed
    from meshseek.pipeline.planning.times import Speed

    with application(workspace=workspace, needs=None if assets is not None else "workspace") as meshseek:
        machine = machine_of(
            meshseek.settings.workspace, cores=cores, memory=_bytes(memory), disk=_bytes(disk), gpu=gpu
        )
        if measure and (cores is not None or gpu is not None):
            raise InputError("--measure looks at this machine; leave it out, or --cores and --gpu")
        if measure and pictures_per_second is not None:
            raise InputError("--pictures-per-second says what --measure would find out; leave one of them out")
        space = (None, None) if assets is not None else meshseek.model_of_vectors(algorithm)
        facts = _facts(meshseek, algorithm, model, dim, space, gpu=machine.gpu)
        if chinese:
            _expect_chinese(facts, assets)
        amounts = _amounts(meshseek, facts, assets, views, chinese=chinese)
        kind = index or _asked_index(meshseek, algorithm) or default_index(amounts.assets)
        held = (
            _held(meshseek, algorithm, amounts)
            if assets is None and disk is None and machine.disk is not None
            else None
        )
        plan = make_plan(amounts, facts, machine, kind, free=_free(machine), held=held)
        plan = replace(plan, costs=_costs(meshseek, facts, amounts))
        if pictures_per_second is not None:
            plan = with_speed(plan, Speed(picture=1 / pictures_per_second, caption=None, source="as you say"))
        elif measure:
            plan = _measured(meshseek, plan)
    _show(plan, layout, as_json=as_json)


def _show(plan: Plan, layout: dict[str, Any], *, as_json: bool) -> None:
    from meshseek.pipeline.planning.cluster import Layout, cluster_of

    cluster = cluster_of(plan, Layout(**layout)) if layout else None
    told = plan.as_json() | ({"cluster": cluster.as_json()} if cluster else {})
    lines = [*plan_lines(plan), *(cluster_lines(cluster) if cluster else ()), *note_lines(plan, cluster)]
    show(told, as_json=as_json, text="\n".join(lines))


def _expect_chinese(facts: Facts, assets: int | None) -> None:
    """Refuse ``--chinese`` where it would change nothing."""
    if assets is None:
        raise InputError("what is imported has the Chinese captions that it has; leave out --chinese, or give --assets")
    if "chinese" not in facts.languages:
        raise InputError(f"'{facts.algorithm}' embeds no Chinese; leave out --chinese, or choose another algorithm")


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else int(gigabytes * GB)


def _asked_index(meshseek: Meshseek, algorithm: str) -> str | None:
    """The kind that was last asked for; the database is not asked what is live, for that would start it."""
    kind: str | None = meshseek.workspace.remembered.get("publish", algorithm).get("index")
    return kind


def _free(machine: Machine) -> int | None:
    import psutil

    return psutil.virtual_memory().available if machine.is_this else None


def _held(meshseek: Meshseek, algorithm: str, amounts: Amounts) -> Held:
    """What of the plan is on the disk of this workspace already."""
    from meshseek.pipeline.planning.held import held_by

    prefix = f"{meshseek.settings.database_prefix}{algorithm}_embeddings"
    held = held_by(meshseek.workspace, algorithm, amounts, prefix)
    return replace(held, database=0) if meshseek.settings.has_named_servers else held


def _facts(
    meshseek: Meshseek,
    algorithm: str,
    model: str | None,
    dim: int | None,
    space: tuple[str | None, int | None],
    *,
    gpu: bool,
) -> Facts:
    """Of the model that ``embed`` would take: the one that is named, or that of the vectors, or the usual one."""
    from meshseek.pipeline.planning.algorithms import facts_of

    embedded, length = space
    if model in (None, embedded):
        model, dim = embedded, dim or length
    return facts_of(algorithm, model, dim, gpu=gpu, hosted=meshseek.prefers_hosted(algorithm))


def _amounts(meshseek: Meshseek, facts: Facts, assets: int | None, views: int | None, *, chinese: bool) -> Amounts:
    from meshseek.pipeline.planning.amounts import described, imported

    if assets is not None:
        return described(facts, assets=assets, views=views or USUAL_VIEWS, chinese=chinese)
    return imported(meshseek.workspace, facts, views, int(meshseek.usual_rendering()["views"]))


def _costs(meshseek: Meshseek, facts: Facts, amounts: Amounts) -> dict[str, Estimate]:
    """What hosted services would be paid, by their own estimates of a sample."""
    costs = {}
    texts = [f"{USUAL_CAPTION}, number {number}" for number in range(min(SAMPLE, amounts.untranslated))]
    if texts:
        estimate = meshseek.translator("openai_batch").estimate(texts)
        if estimate is not None:
            costs["translate"] = _times(estimate, amounts.untranslated / len(texts))
    if facts.algorithm == "qwen" and facts.memory == 0:
        embedder = meshseek.embedder(facts.algorithm, facts.model, facts.dim)
        count = min(SAMPLE, amounts.assets)
        each = max(1, round(amounts.pictures / max(1, amounts.assets)))
        captions, views = embedder.estimate_texts([USUAL_CAPTION] * count), embedder.estimate_views([each] * count)
        if captions is not None and views is not None:
            costs["embed captions"] = _times(captions, (amounts.english + amounts.chinese) / count)
            costs["embed views"] = _times(views, amounts.with_views / count)
    return costs


def _times(estimate: Estimate, factor: float) -> Estimate:
    numbers = {
        name: round(getattr(estimate, name) * factor) for name in ("items", "requests", "input_tokens", "output_tokens")
    }
    price = None if estimate.price is None else estimate.price * factor
    return replace(estimate, **numbers, price=price, seconds=estimate.seconds * factor)


def _measured(meshseek: Meshseek, plan: Plan) -> Plan:
    """With the model's speed; where it is not here, with what to do."""
    from meshseek.pipeline.planning.algorithms import UNNAMED
    from meshseek.pipeline.planning.measuring import measure
    from meshseek.pipeline.planning.plan import with_speed
    from meshseek.reporting import ConsoleReporter

    name = plan.facts.algorithm
    try:
        ConsoleReporter().say(f"plan: loading '{name}' to measure it")
        embedder = meshseek.embedder(name, None if plan.facts.model == UNNAMED else plan.facts.model)
    except EmbedderError as error:
        return replace(plan, notes=(*plan.notes, f"'{name}' cannot be measured: {error}"))
    if embedder.estimate_texts([]) is not None:
        return replace(plan, notes=(*plan.notes, f"'{name}' is hosted: its time is the service's"))
    return with_speed(plan, measure(embedder, cores=plan.machine.cores, gpu=plan.machine.gpu))
