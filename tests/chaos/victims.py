"""What is disturbed: a command, from where it begins, and what an undisturbed run of it leads to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos import world as worlds
from tests.chaos.child import run
from tests.chaos.model import Difference, Facts, published_facts, rows_of
from tests.chaos.reader import Answer, Reader
from tests.chaos.world import World, filled
from tests.living import Contents


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A command that is disturbed."""

    name: str
    point: str
    command: Sequence[str]
    share: float = 0.1
    forgotten: Sequence[str] = ()
    """Assets that are to be gone afterwards."""
    library: str | None = None
    """Likewise a library."""
    afterwards: Sequence[Sequence[str]] = ()
    """What is run before all that is left to do, so that what was made is needed."""
    is_restored: bool = False
    """Whether there is a backup then, which must give the same elsewhere."""
    done: str = "nothing of the kind"
    """What it says where it is run again though it was done."""


BACKUP = ["backup", "{home}/backup"]
VICTIMS = {
    victim.name: victim
    for victim in (
        Victim(name="import", point="changed", command=[*worlds.IMPORTS["first"], "--yes"]),
        Victim(name="render", point="imported", command=worlds.RENDER),
        Victim(name="translate", point="rendered", command=worlds.TRANSLATE),
        Victim(name="embed", point="translated", command=worlds.EMBED),
        Victim(name="publish", point="embedded", command=worlds.PUBLISH),
        Victim(name="publish-in-place", point="embedded", command=worlds.PUBLISH, share=1.0),
        Victim(name="tune", point="published", command=["tune", "--algorithm", "toy", "--queries", "10"]),
        Victim(name="update", point="changed", command=worlds.UPDATE),
        Victim(name="update-in-place", point="changed", command=worlds.UPDATE, share=1.0),
        Victim(name="forget", point="published", command=["forget", *worlds.FORGOTTEN], forgotten=worlds.FORGOTTEN),
        Victim(
            name="forget-library",
            point="published",
            command=["forget", "--library", "second"],
            library="second",
            done="there is no library 'second' here",
        ),
        Victim(name="clean", point="published", command=["clean"]),
        Victim(name="backup", point="published", command=BACKUP, afterwards=[[*BACKUP, "--check"]], is_restored=True),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """What a victim does, and all leads to, when nothing goes wrong."""

    steps: int
    """Files and tables that it changes."""
    seconds: float
    rows: Counter[tuple[Any, ...]]
    contents: Contents
    files: frozenset[str]
    paid: dict[str, int]
    before: Facts
    """What is published when it begins."""
    after: Facts
    """What must be published in the end, by the model."""
    answers: Sequence[Sequence[Answer]]
    """Of the version that is live when it begins, and of the one in the end."""


def finishing(world: World, victim: Victim) -> list[list[str]]:
    """What a user does after a fault: the same again, then all that is left to do, and a look whether all is well."""
    own = [filled(command, world) for command in (victim.command, *victim.afterwards)]
    return [*own, worlds.UPDATE, ["clean"], ["check", "--verify"]]


def undisturbed(world: World, victim: Victim, reader: Reader) -> Undisturbed:
    """Run a victim to the end, and see that this gives what the model wants."""
    world.bring_back(victim.point)
    before = published_facts(world.published(), world.folder)
    first = reader.once(world.folder)
    alone = run(world.job([filled(victim.command, world)], share=victim.share), world.scratch)
    world.run(*finishing(world, victim)[1:], share=victim.share)
    contents = world.published()
    after = world.facts(victim.forgotten, victim.library)
    difference = Difference()
    difference.add_facts(after, published_facts(contents, world.folder))
    assert difference == Difference(), difference
    assert alone.exits == [0], alone.said
    return Undisturbed(
        steps=alone.steps,
        seconds=alone.seconds,
        rows=rows_of(world.workspace),
        contents=contents,
        files=frozenset(world.files()),
        paid=dict(world.service.paid),
        before=before,
        after=after,
        answers=[first, reader.once(world.folder)],
    )
