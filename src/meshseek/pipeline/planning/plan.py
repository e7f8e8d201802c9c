"""The plan: everything that a library takes, on one machine, with what is worth saying about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from meshseek.model import Estimate
from meshseek.pipeline.planning.algorithms import Facts
from meshseek.pipeline.planning.amounts import Amounts
from meshseek.pipeline.planning.held import Held, already
from meshseek.pipeline.planning.machine import Machine
from meshseek.pipeline.planning.resident import GB, memory_note
from meshseek.pipeline.planning.storage import CODES, Storage, storage_of
from meshseek.pipeline.planning.times import Speed, build_plans, stage_seconds
from meshseek.store.embedded.cluster import planned_buffers

FREE_SHARE = 0.8
"""Of a machine's memory, where it is another one, that is free while an index is built."""
MARGIN = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What it takes."""

    amounts: Amounts
    facts: Facts
    machine: Machine
    index_kind: str
    storage: Storage
    build_memory: int
    """Bytes that keep the largest graph while it is built."""
    speed: Speed | None
    seconds: Mapping[str, float | None]
    """Of each stage; None where only a measurement could tell."""
    costs: Mapping[str, Estimate]
    notes: Sequence[str]

    @property
    def database_bytes(self) -> int:
        """Of one version."""
        return sum(self.storage.database.values())

    @property
    def version_bytes(self) -> int:
        """Of what is there twice while a second version comes beside the first: the database, and the file of codes."""
        return self.database_bytes + self.storage.workspace.get(CODES, 0)

    @property
    def workspace_bytes(self) -> int:
        """Of what the stages write."""
        return sum(self.storage.workspace.values())

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``; bytes, seconds and yuan."""
        amounts = self.amounts
        return {
            "algorithm": self.facts.algorithm,
            "model": self.facts.model,
            "dim": self.facts.dim,
            "index": self.index_kind,
            "assets": amounts.assets,
            "pictures": amounts.pictures,
            "pictures_to_render": amounts.rendered,
            "vectors": {"views": amounts.views, "english": amounts.english, "chinese": amounts.chinese},
            "workspace_bytes": dict(self.storage.workspace),
            "database_bytes": dict(self.storage.database),
            "disk_bytes": self.workspace_bytes + self.database_bytes,
            "disk_bytes_while_publishing_again": self.workspace_bytes + self.database_bytes + self.version_bytes,
            "memory_bytes": {
                "searched": self.storage.needed,
                "building": self.build_memory,
                "model": self.facts.memory,
            },
            "shared_buffers_megabytes": planned_buffers(self.machine.memory),
            "seconds": dict(self.seconds),
            "speed": self.speed.source if self.speed else None,
            "costs": {
                name: {"service": cost.service, "requests": cost.requests, "price": cost.price}
                for name, cost in self.costs.items()
            },
            "machine": {name: getattr(self.machine, name) for name in ("cores", "memory", "disk", "gpu", "is_this")},
            "notes": list(self.notes),
        }


def make_plan(
    amounts: Amounts,
    facts: Facts,
    machine: Machine,
    index_kind: str,
    *,
    free: int | None = None,
    held: Held | None = None,
) -> Plan:
    """Plan everything but what a model would have to be asked for.

    Args:
        amounts: How much there is of everything.
        facts: Of the algorithm.
        machine: What it is done on.
        index_kind: What the library is asked by.
        free: Bytes of memory that are free; None for what usually is.
        held: What of the plan is on the machine's disk already; None for nothing.
    """
    storage = storage_of(amounts, facts, index_kind)
    unused = int(FREE_SHARE * machine.memory) if free is None else free
    builds = build_plans(storage.graphs, facts, index_kind, machine, unused)
    plan = Plan(
        amounts=amounts,
        facts=facts,
        machine=machine,
        index_kind=index_kind,
        storage=storage,
        build_memory=max((build.needed for build in builds), default=0),
        speed=None,
        seconds=stage_seconds(amounts, facts, machine, index_kind, builds),
        costs={},
        notes=(),
    )
    slow = any(build.memory < build.needed for build in builds)
    return replace(plan, notes=tuple(_notes(plan, already(storage, held), slow=slow)))


def with_speed(plan: Plan, speed: Speed) -> Plan:
    """The same, with the hours that a model takes."""
    captions = plan.amounts.english + plan.amounts.chinese
    told = {
        "embed captions": captions * speed.caption if speed.caption is not None else None,
        "embed views": plan.amounts.pictures * speed.picture,
    }
    seconds = {name: told.get(name, taken) for name, taken in plan.seconds.items()}
    return replace(plan, speed=speed, seconds=seconds)


def _notes(plan: Plan, held: int, *, slow: bool) -> Iterator[str]:
    machine, storage = plan.machine, plan.storage
    little = memory_note(storage.needed, machine.memory, plan.facts.memory)
    if little:
        yield little
    if slow:
        yield (
            f"a graph needs {plan.build_memory / GB:,.1f} GB while it is built, more than half of the free memory: "
            "building it takes about twice as long; 'hnsw_binary' needs less, 'codes' nothing"
        )
    if machine.disk is not None:
        yield from _about_disk(plan, machine.disk, held)


def _about_disk(plan: Plan, disk: int, held: int) -> Iterator[str]:
    once = MARGIN * (plan.workspace_bytes + plan.database_bytes - held)
    twice = once + MARGIN * plan.version_bytes
    more = "more " if held else ""
    if once > disk:
        yield f"the disk has {_room(disk)} free, and {_room(once)} {more}are needed: free some or use another"
    elif twice > disk:
        yield (
            f"the disk has {_room(disk)} free, and with a second version of the database {_room(twice)} {more}are "
            "needed: what changes more than a tenth can be published again only once the database is dropped"
        )


def _room(size: float) -> str:
    return f"{size / GB:,.1f} GB"
