"""What a library takes of each machine where several share the work: workers, servers with a shard each, replicas."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from meshseek.pipeline.planning.plan import Plan
from meshseek.pipeline.planning.resident import GB, memory_note
from meshseek.pipeline.planning.searches import LARGEST, process_searches, server_searches
from meshseek.pipeline.planning.storage import CODES
from meshseek.store.indexes import INDEXES

EFFICIENCY: Final = 0.9
"""Of each worker beside a machine that works alone: what ``make bench-cluster`` asks of Ray."""
WORKED: Final = ("render", "embed captions", "embed views")
"""Stages that workers share."""
MONTH: Final = 730.0
"""Hours."""
TABLE: Final = 2.0**45
"""Bytes that PostgreSQL keeps in one table: 2^32 pages."""
IMPORTED, IMPORTING = 972.0, 104e6
"""Bytes of memory that an import holds for each asset, beside those that it begins with: a listing of 500,000
('A G-Objaverse tree' in docs/benchmarks.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many machines there are, and what they cost."""

    workers: int = 1
    """Machines that render and embed."""
    efficiency: float = EFFICIENCY
    shards: int = 1
    """Servers that share the library."""
    replicas: int = 0
    """Of each of them."""
    node_cost: float | None = None
    gpu_cost: float | None = None
    """Of a machine and hour, and of a worker with a GPU and hour; None where nobody said."""

    @property
    def servers(self) -> int:
        """Database servers."""
        return self.shards * (1 + self.replicas)

    @property
    def answering(self) -> int:
        """Servers of the whole library that searches are spread over; those of shards have no more than stand-ins."""
        return 1 + self.replicas if self.shards == 1 else 1

    @property
    def nodes(self) -> int:
        """Machines that answer: these, and one for the API where there are several."""
        return self.servers + (self.servers > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What each machine needs, and what all of them give; bytes, seconds, and hours' money."""

    layout: Layout
    server_disk: int
    server_disk_again: int
    """While all is published again."""
    server_memory: int
    """That searches read there."""
    build_memory: int
    """That keeps its largest graph while it is built."""
    api_disk: int
    api_memory: int
    """Of a machine with API processes: codes, of all shards."""
    import_memory: int
    searches: float | None
    """A second, of each server at the least."""
    all_searches: float | None
    """Of all servers: each search asks every shard, or one of the replicas."""
    process_searches: float | None
    """Of each API process."""
    processes: int | None
    """That it takes to ask all servers for what they can answer."""
    seconds: Mapping[str, float | None]
    """Of the stages that workers share."""
    month: float | None
    embedding: float | None
    """Costs."""
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        plain = asdict(self)
        layout = plain.pop("layout")
        return {**layout, "servers": self.layout.servers, "nodes": self.layout.nodes, **plain}


def cluster_of(plan: Plan, layout: Layout) -> Cluster:
    """Share a plan for one machine out among several like it.

    Args:
        plan: What it takes altogether.
        layout: How many there are.
    """
    index = INDEXES.load(plan.index_kind)
    disk = math.ceil(plan.database_bytes / layout.shards)
    needed = math.ceil(plan.storage.needed / layout.shards)
    each = server_searches(plan.index_kind, plan.amounts.assets / layout.shards, plan.machine.cores)
    process = process_searches(plan.index_kind, plan.amounts.assets, layout.shards)
    everything = None if each is None else each * layout.answering
    seconds = {
        name: None if taken is None else taken / (layout.workers * layout.efficiency if layout.workers > 1 else 1)
        for name, taken in plan.seconds.items()
        if name in WORKED
    }
    return Cluster(
        layout=layout,
        server_disk=disk,
        server_disk_again=2 * disk,
        server_memory=0 if index.has_codes else needed,
        build_memory=math.ceil(plan.build_memory / layout.shards),
        api_disk=plan.storage.workspace.get(CODES, 0),
        api_memory=plan.storage.needed if index.has_codes else 0,
        import_memory=int(IMPORTING + IMPORTED * plan.amounts.assets),
        searches=each,
        all_searches=everything,
        process_searches=process,
        processes=None if everything is None or process is None else math.ceil(everything / process),
        seconds=seconds,
        month=None if layout.node_cost is None else layout.node_cost * layout.nodes * MONTH,
        embedding=_embedding(plan, layout, seconds),
        notes=tuple(_notes(plan, layout, disk)),
    )


def _embedding(plan: Plan, layout: Layout, seconds: Mapping[str, float | None]) -> float | None:
    """What all workers cost while they embed."""
    price = layout.gpu_cost if plan.machine.gpu and layout.gpu_cost is not None else layout.node_cost
    taken = [seconds[name] for name in WORKED if name.startswith("embed") and name in seconds]
    if price is None or not taken or "embed views" not in seconds or seconds["embed views"] is None:
        return None
    return price * layout.workers * sum(each or 0.0 for each in taken) / 3600


def _notes(plan: Plan, layout: Layout, disk: int) -> Iterator[str]:
    """What does not fit on a machine of the kind, and what is no more than extrapolated."""
    machine, has_codes = plan.machine, INDEXES.load(plan.index_kind).has_codes
    needed = plan.storage.needed if has_codes else plan.storage.needed / layout.shards
    who = "an API machine" if has_codes else "a server"
    if layout.shards > 1 and layout.replicas:
        yield "replicas of shards stand by for them: searches are not spread over these"
    little = memory_note(needed, machine.memory, plan.facts.memory)
    if little:
        yield f"{who}: {little}"
    if machine.disk is not None and disk > machine.disk:
        yield f"a server: the disk has {_room(machine.disk)} free, and {_room(disk)} are needed: take more shards"
    elif machine.disk is not None and 2 * disk > machine.disk:
        yield (
            f"a server: the disk has {_room(machine.disk)} free, and with a second version {_room(2 * disk)} are "
            "needed: take more shards, or what changes more than a tenth cannot be published beside what is live"
        )
    largest = max(plan.storage.database.values(), default=0) / layout.shards
    if largest > TABLE:
        yield (
            f"a table of {_room(largest)} is more than PostgreSQL keeps in one ({_room(TABLE)}): take at least "
            f"{math.ceil(largest * layout.shards / TABLE)} shards"
        )
    importing = IMPORTING + IMPORTED * plan.amounts.assets
    if importing > machine.memory:
        yield f"an import holds {_room(importing)} of memory, and the machine has {_room(machine.memory)}"
    if plan.amounts.assets / layout.shards > LARGEST:
        yield f"searches a second are extrapolated: servers with up to {LARGEST:,} assets were measured"


def _room(size: float) -> str:
    return f"{size / GB:,.1f} GB"
