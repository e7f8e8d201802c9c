"""One trial: a victim is disturbed once, then all is done that a user would do, and what is there is looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import psycopg

from tests.chaos import disk
from tests.chaos.child import Fault, Job, Ran, Running
from tests.chaos.child import run as run_job
from tests.chaos.model import Difference, Facts, published_facts, rows_of
from tests.chaos.reader import Reader
from tests.chaos.victims import Undisturbed, Victim, finishing, undisturbed
from tests.chaos.world import DATABASE, ROOMY, World, filled
from tests.living import contents

RESTORE_STEPS, RESTORE_SECONDS = 250, 1.0
"""About so many files and tables a restore changes, in about so long."""
YEAR = 365 * 24 * 3600
REPORT = "run 'meshseek check --repair' to repair this"
EXCEPTION = re.compile(r"Traceback|\b[A-Z]\w+(?:Error|Exception)\b")
FULLEST, EMPTIEST = 0, 2
"""Pages of 4 KiB that a disk still has when it is about to fill."""


@dataclass(slots=True, kw_only=True)
class Trial:
    """What a trial has shown."""

    difference: Difference = field(default_factory=Difference)
    hung: bool = False
    struck: bool = False
    """Whether the fault came before the victim had ended."""
    leftover: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Whatever else is not as it must be."""
    said: list[str] = field(default_factory=list)
    """Error lines of the disturbed command."""
    searches: int = 0

    def expect(self, condition: object, complaint: str) -> None:
        """Complain unless it is so."""
        if not condition:
            self.complaints.append(complaint)

    @property
    def is_good(self) -> bool:
        """Whether nothing at all is wrong."""
        return self.difference == Difference() and not (self.hung or self.leftover or self.complaints)


@dataclass(slots=True)
class Bench:
    """A world with a reader, and what undisturbed runs in it lead to."""

    world: World
    reader: Reader
    _known: dict[str, Undisturbed] = field(default_factory=dict)
    _shortest: dict[str, float] = field(default_factory=dict)

    def run_or_killed(self, running: Running, name: str, usual: float, random: Random) -> Ran:
        """Kill a victim at a moment of the shortest time that it has taken: others may have slowed its first run."""
        ran = running.ended_or_killed(random.uniform(0, self._shortest.get(name, usual)))
        if not ran.killed and ran.seconds:
            self._shortest[name] = min(ran.seconds, self._shortest.get(name, usual))
        return ran

    def renew_reader(self) -> None:
        """Take another reader: nobody knows what one was told whose trial broke off."""
        self.reader.close()
        self.reader = Reader()

    def undisturbed(self, victim: Victim) -> Undisturbed:
        """Run it once, and remember."""
        if victim.name not in self._known:
            self._known[victim.name] = undisturbed(self.world, victim, self.reader)
        return self._known[victim.name]


def disturb(bench: Bench, victim: Victim, kind: str, random: Random) -> Trial:
    """Disturb a victim by one of the faults that come from outside: a kill, a full disk ..."""
    world, known = bench.world, bench.undisturbed(victim)
    world.bring_back(victim.point)
    trial = Trial()
    bench.reader.begin(world.folder)
    running = Running(
        world.job([filled(victim.command, world)], _fault(kind, known, world, random), victim.share), world.scratch
    )
    running.wait_until_ready()
    running.go()
    ran = bench.run_or_killed(running, victim.name, known.seconds, random) if kind == "kill-time" else running.ended()
    _judge(trial, ran, kind)
    if world.has_mounts:
        disk.make_writable(world.folder)
        disk.resize_disk(world.home, ROOMY)
    look_at_live(trial, bench, known)
    finish(trial, bench, victim, known)
    return trial


def _fault(kind: str, known: Undisturbed, world: World, random: Random) -> Fault:
    step = random.randint(1, known.steps)
    if kind == "kill":
        return Fault(kind="kill", step=step)
    if kind == "full":
        return Fault(kind="full", step=1 + step // 3, folder=world.home, amount=random.randint(FULLEST, EMPTIEST))
    if kind == "read-only":
        return Fault(kind="read_only", step=step, folder=world.folder)
    if kind == "memory":
        return Fault(kind="memory", amount=int(2 ** random.uniform(16, 27)))
    if kind == "clock":
        return Fault(kind="clock", step=step, amount=random.choice((10, -2)) * YEAR)
    return Fault()


def _judge(trial: Trial, ran: Ran, kind: str) -> None:
    """What the disturbed command said, and how it ended."""
    trial.hung = ran.hung
    trial.struck = ran.killed or ran.exits != [0]
    if ran.hung or ran.killed:
        trial.expect(kind in {"kill", "kill-time", "memory"} or ran.hung, "it was killed by nobody")
        return
    if kind == "memory" and ran.exits and ran.exits[-1] not in {0, 1}:
        return  # a library of C has ended the process
    trial.said = error_lines(ran.said[-1]) if ran.exits else []
    judge_words(trial, ran)
    if kind == "clock":
        trial.expect(ran.exits == [0], f"a clock that jumps ended it: {ran.said}")


def judge_words(trial: Trial, ran: Ran) -> None:
    """A command ends well, or with status 1 and lines that are meant for people."""
    for code, said, shown in zip(ran.exits, ran.said, ran.shown, strict=True):
        trial.expect(code in {0, 1}, f"exit status {code}: {said[-300:]}")
        trial.expect(not EXCEPTION.search(said), f"an exception is shown: {said[-1500:]}")
        trial.expect(code == 0 or error_lines(said) or REPORT in shown, f"no line says what is wrong: {said[-300:]}")


def error_lines(said: str) -> list[str]:
    """The lines by which a command says what is wrong."""
    return [line for line in said.splitlines() if line.startswith("meshseek: ")]


def look_at_live(trial: Trial, bench: Bench, known: Undisturbed) -> None:
    """What is live is the version before or the one after, whole and with its files; readers saw only those."""
    world = bench.world
    heard = bench.reader.end()
    trial.searches = heard.count
    trial.complaints += heard.problems(known.answers)
    live = published_facts(world.published(), world.folder)
    if live not in (known.before, known.after):
        nearest = Difference()
        nearest.add_facts(known.before, live)
        trial.complaints.append(f"what is live is neither the version before nor the one after: {nearest}")


def finish(
    trial: Trial, bench: Bench, victim: Victim, known: Undisturbed, first: list[list[str]] | None = None
) -> None:
    """Do the same again and all that is left, and compare the end with that of an undisturbed run."""
    world = bench.world
    commands = [*(first or []), *finishing(world, victim)]
    ran = run_job(world.job(commands, share=victim.share), world.scratch)
    trial.hung = trial.hung or ran.hung
    judge_words(trial, ran)
    for command, code, said in zip(commands, ran.exits, ran.said, strict=False):
        trial.expect(code == 0 or victim.done in said, f"{command[0]} afterwards: status {code}: {said[-400:]}")
    compare(trial, world, known)
    if victim.is_restored:
        expect_restored(trial, world, known.after)


RESTORED = "restored"


def restoring(world: World, *more: Sequence[str]) -> Job:
    """Restore the home's backup beside the workspace, into a database of the same server; then more commands."""
    settings = {
        **world.settings,
        "MESHSEEK_WORKSPACE": str(world.home / RESTORED),
        "MESHSEEK_DATABASE_URL": world.conninfo("postgres"),
        "MESHSEEK_DATABASE_PREFIX": f"{RESTORED}_",
    }
    return replace(world.job([["restore", str(world.home / "backup")], *more]), settings=settings)


def expect_restored(trial: Trial, world: World, wanted: Facts, *, anew: bool = True) -> None:
    """Restore and compare all that is published, and the files that it names, with what is wanted."""
    if anew:
        world.forget_database(f"{RESTORED}_{DATABASE}")
    ran = run_job(restoring(world, ["check", "--verify"]), world.scratch)
    judge_words(trial, ran)
    done = not anew and "is not empty" in ran.said[0]  # the kill came just after its end
    trial.expect(
        ran.exits == [0, 0] or (done and ran.exits == [1, 0]),
        f"it cannot be restored: {[said[-300:] for said in (*ran.said, *ran.shown)]}",
    )
    with psycopg.connect(world.conninfo(f"{RESTORED}_{DATABASE}"), autocommit=True) as connection:
        trial.difference.add_facts(wanted, published_facts(contents(connection), world.home / RESTORED))


def disturb_restore(bench: Bench, kind: str, random: Random) -> Trial:
    """Disturb a restore, and run it again."""
    world = bench.world
    world.bring_back("backed_up")
    world.forget_database(f"{RESTORED}_{DATABASE}")
    trial = Trial()
    job = restoring(world)
    fault = Fault(kind="kill", step=random.randint(1, RESTORE_STEPS)) if kind == "kill" else Fault()
    if kind == "full":
        fault = Fault(
            kind="full", step=random.randint(1, RESTORE_STEPS), folder=world.home, amount=random.randint(0, 40)
        )
    running = Running(replace(job, fault=fault), world.scratch)
    running.wait_until_ready()
    running.go()
    ran = bench.run_or_killed(running, "restore", RESTORE_SECONDS, random) if kind == "kill-time" else running.ended()
    _judge(trial, ran, kind)
    if world.has_mounts:
        disk.resize_disk(world.home, ROOMY)
    expect_restored(trial, world, world.facts(), anew=False)
    return trial


def compare(trial: Trial, world: World, known: Undisturbed) -> None:
    """Compare all that is there with what an undisturbed run leaves."""
    now = world.published()
    trial.difference.add_facts(known.after, published_facts(now, world.folder))
    trial.difference.add_contents(known.contents, now)
    trial.difference.add_rows(known.rows, rows_of(world.workspace))
    paid: dict[str, Any] = dict(world.service.paid)
    trial.difference.doubled += [
        f"paid twice: {text}" for text, times in paid.items() if times > known.paid.get(text, 1)
    ]
    trial.leftover = sorted(world.files() - known.files)
    trial.leftover += [f"schema {name}" for name in world.schemas() - {"live", "public"}]
