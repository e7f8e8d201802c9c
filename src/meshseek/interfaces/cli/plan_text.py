"""How ``meshseek plan`` tells a plan: a line for each figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshseek.pipeline.planning.cluster import Cluster
    from meshseek.pipeline.planning.machine import Machine
    from meshseek.pipeline.planning.plan import Plan

GB = 1e9


def plan_lines(plan: Plan) -> Iterator[str]:
    """Of one machine that does everything."""
    amounts, storage, machine = plan.amounts, plan.storage, plan.machine
    where = "this machine" if machine.is_this else "a machine"
    gpu = "a GPU" if machine.gpu else "no GPU"
    yield f"{plan.facts.algorithm}: {plan.facts.model}, {plan.facts.dim} dimensions; index {plan.index_kind}"
    yield f"on {where} with {machine.cores} cores, {machine.memory / GB:,.1f} GB of memory, {gpu}"
    yield ""
    yield f"{'assets':<36}{amounts.assets:>16,}"
    yield f"{'pictures to embed':<36}{amounts.pictures:>16,}"
    if amounts.rendered:
        yield f"{'pictures to render':<36}{amounts.rendered:>16,}"
    yield f"{'vectors of views':<36}{amounts.views:>16,}"
    yield f"{'vectors of captions':<36}{amounts.english + amounts.chinese:>16,}"
    for title, sizes in (("workspace", storage.workspace), ("database", storage.database)):
        yield ""
        yield from (f"{f'{title}: {name}':<36}{_size(size):>16}" for name, size in sizes.items() if size)
    yield f"{'disk in all':<36}{_size(plan.workspace_bytes + plan.database_bytes):>16}"
    again = plan.workspace_bytes + plan.database_bytes + plan.version_bytes
    yield f"{'  while all is published again':<36}{_size(again):>16}"
    yield ""
    yield f"{'memory that searches read':<36}{_size(storage.needed):>16}"
    yield f"{'memory to build the largest graph':<36}{_size(plan.build_memory):>16}"
    yield f"{'shared_buffers':<36}{_buffers(machine):>13,} MB"
    yield ""
    yield from (f"{name:<36}{_duration(taken):>16}" for name, taken in plan.seconds.items())
    yield from (f"{'cost: ' + name:<36}{cost}" for name, cost in plan.costs.items())


def note_lines(plan: Plan, cluster: Cluster | None) -> Iterator[str]:
    """What does not fit: on the one machine, or on each of several."""
    yield from (f"note: {note}" for note in (cluster or plan).notes)


def cluster_lines(cluster: Cluster) -> Iterator[str]:
    """Of each of several machines, and of all together."""
    layout = cluster.layout
    yield ""
    alone = "" if layout.workers == 1 else f", each {100 * layout.efficiency:.0f} % of one alone"
    yield f"{'workers':<36}{layout.workers:>16,}{alone}"
    yield f"{'database servers':<36}{layout.servers:>16,}, {layout.shards:,} x (1 + {layout.replicas} replicas)"
    yield f"{'machines that answer':<36}{layout.nodes:>16,}"
    yield from (f"{f'each worker: {name}':<36}{_duration(taken):>16}" for name, taken in cluster.seconds.items())
    sizes = {
        "each server: disk": cluster.server_disk,
        "  while all is published again": cluster.server_disk_again,
        "each server: memory searches read": cluster.server_memory,
        "each server: memory to build a graph": cluster.build_memory,
        "each API machine: file of codes": cluster.api_disk,
        "each API machine: codes in memory": cluster.api_memory,
        "importing: memory": cluster.import_memory,
    }
    yield from (f"{name:<36}{_size(size):>16}" for name, size in sizes.items() if size)
    yield f"{'each server: searches a second':<36}{_rate(cluster.searches):>16}"
    yield f"{'all servers: searches a second':<36}{_rate(cluster.all_searches):>16}"
    yield f"{'each API process: searches a second':<36}{_rate(cluster.process_searches):>16}"
    if cluster.processes is not None:
        yield f"{'API processes to ask for them':<36}{cluster.processes:>16,}"
    for name, price in {"cost: a month of answering": cluster.month, "cost: embedding": cluster.embedding}.items():
        if price is not None:
            yield f"{name:<36}{price:>16,.2f}"


def _rate(searches: float | None) -> str:
    """Two digits of it, or more."""
    return "not measured" if searches is None else f"{searches:,.{int(searches < 10)}f}"  # noqa: PLR2004  # as said


def _buffers(machine: Machine) -> int:
    from meshseek.store.embedded.cluster import planned_buffers

    return planned_buffers(machine.memory)


def _size(size: float) -> str:
    return f"{size / GB:,.1f} GB" if size >= GB else f"{size / 1e6:,.1f} MB"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not measured"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} s"
