"""Trials with the workspace moved, copied or behind a link, and with two commands at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import psycopg
from psycopg.conninfo import make_conninfo

from meshseek.errors import DatabaseError
from meshseek.store.embedded.server import EmbeddedServer
from tests.chaos import world as worlds
from tests.chaos.child import Ran, Running
from tests.chaos.child import run as run_job
from tests.chaos.model import published_facts
from tests.chaos.trials import Bench, Trial, compare, error_lines, finish, judge_words, look_at_live
from tests.chaos.victims import VICTIMS, Undisturbed
from tests.chaos.world import World, filled
from tests.living import contents

ALL = [worlds.UPDATE, ["clean"], ["check", "--verify"]]
UPDATED = VICTIMS["update"]

PAIRS: Mapping[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "update+update": ("update", worlds.UPDATE, worlds.UPDATE),
    "import+import": ("update", [*worlds.IMPORTS["first"], "--yes"], [*worlds.IMPORTS["second"], "--yes"]),
    "import+update": ("update", [*worlds.IMPORTS["first"], "--yes"], worlds.UPDATE),
    "import+render": ("import", [*worlds.IMPORTS["first"], "--yes"], worlds.RENDER),
    "forget+import": ("forget", VICTIMS["forget"].command, [*worlds.IMPORTS["first"], "--yes"]),
    "render+render": ("render", worlds.RENDER, worlds.RENDER),
    "translate+translate": ("translate", worlds.TRANSLATE, worlds.TRANSLATE),
    "embed+embed": ("embed", worlds.EMBED, worlds.EMBED),
    "clean+embed": ("embed", ["clean"], worlds.EMBED),
    "clean+update": ("update", ["clean"], worlds.UPDATE),
    "clean+clean": ("clean", ["clean"], ["clean"]),
    "publish+publish": ("publish", worlds.PUBLISH, worlds.PUBLISH),
    "publish+update": ("publish", worlds.PUBLISH, worlds.UPDATE),
    "publish+clean": ("publish", worlds.PUBLISH, ["clean"]),
    "publish+tune": ("publish", worlds.PUBLISH, VICTIMS["tune"].command),
    "tune+tune": ("tune", VICTIMS["tune"].command, VICTIMS["tune"].command),
}
"""Two commands at once, and the victim whose undisturbed run they must lead to."""
REFUSED = ("another process", "run the same command again", "another version", "no index", "is a copy of")


def together(bench: Bench, pair: str, random: Random) -> Trial:
    """Two commands begin at the same moment, or nearly so."""
    victim_name, *commands = PAIRS[pair]
    victim = VICTIMS[victim_name]
    world, known = bench.world, bench.undisturbed(victim)
    world.bring_back(victim.point)
    trial = Trial(struck=True)
    bench.reader.begin(world.folder)
    jobs = [world.job([filled(command, world)], share=victim.share) for command in commands]
    running = [Running(job, world.scratch) for job in jobs]
    for one in running:
        one.wait_until_ready()
    running[0].go()
    running[0].joined(random.choice((0, 0, random.uniform(0, known.seconds))))
    running[1].go()
    ended = [one.ended() for one in running]
    for ran in ended:
        _judge(trial, ran)
    trial.expect(any(ran.exits == [0] for ran in ended), f"neither got on: {[ran.said for ran in ended]}")
    look_at_live(trial, bench, known)
    finish(trial, bench, victim, known)
    return trial


def _judge(trial: Trial, ran: Ran) -> None:
    trial.hung = trial.hung or ran.hung
    judge_words(trial, ran)
    for code, said in zip(ran.exits, ran.said, strict=True):
        trial.said += error_lines(said)
        trial.expect(code == 0 or any(words in said for words in REFUSED), f"refused for another reason: {said[-300:]}")


def moved(bench: Bench, _: str, random: Random) -> Trial:
    """The workspace is moved while nobody runs; all goes on elsewhere, and it is moved back."""
    del random
    with _begun(bench) as (trial, world, known):
        world.stop_server()
        elsewhere = world.home / "moved to" / "elsewhere"
        elsewhere.parent.mkdir()
        world.folder.rename(elsewhere)
        try:
            _run_in(trial, world, elsewhere)
        finally:
            stop(elsewhere)
            elsewhere.rename(world.folder)
        compare(trial, world, known)
    return trial


def linked(bench: Bench, _: str, random: Random) -> Trial:
    """The workspace is named by a link, for some commands or for all."""
    with _begun(bench) as (trial, world, known):
        link = world.home / "link"
        link.symlink_to(world.folder)
        if random.random() < 0.5:
            _run_in(trial, world, world.folder, [[*worlds.IMPORTS["first"], "--yes"]])
        _run_in(trial, world, link)
        compare(trial, world, known)
    return trial


def copied(bench: Bench, _: str, random: Random) -> Trial:
    """A copy of a stopped workspace lives beside the original, each with its own database."""
    del random
    with _begun(bench) as (trial, world, known):
        world.stop_server()
        copy = world.root / "copy"
        shutil.copytree(world.folder, copy, symlinks=True)
        try:
            _at_once(trial, world, copy, {})
            pointer = copy / worlds.KEPT / "cluster-place"
            if pointer.is_file() and any("is a copy of" in line for line in trial.said):  # what it says is to be done
                pointer.unlink()
            _run_in(trial, world, copy)
            trial.expect(_facts(copy) == known.after, "the copy has published something else")
        finally:
            stop(copy)
            shutil.rmtree(copy)
        _finished(trial, bench, known)
    return trial


def copied_with_one_database(bench: Bench, _: str, random: Random) -> Trial:
    """A copy and its original publish to the same database: the last one stays, whole, and none loses a file."""
    del random
    with _begun(bench) as (trial, world, known):
        copy = world.root / "copy"
        shutil.copytree(world.folder, copy, ignore=shutil.ignore_patterns(worlds.KEPT))
        try:
            _at_once(trial, world, copy, {"MESHSEEK_DATABASE_URL": world.conninfo("postgres")})
        finally:
            shutil.rmtree(copy)
        _finished(trial, bench, known)
    return trial


def _finished(trial: Trial, bench: Bench, known: Undisturbed) -> None:
    """Finish; a copy knows nothing of what the other has paid for since."""
    finish(trial, bench, UPDATED, known)
    trial.difference.doubled = [own for own in trial.difference.doubled if not own.startswith("paid twice")]


def stop(folder: Path) -> None:
    """Wait until the database server of a workspace has stopped, by itself or now."""
    with suppress(DatabaseError):  # it does not run
        EmbeddedServer(folder).stop()


@contextmanager
def _begun(bench: Bench) -> Iterator[tuple[Trial, World, Undisturbed]]:
    known = bench.undisturbed(UPDATED)
    bench.world.bring_back(UPDATED.point)
    yield Trial(struck=True), bench.world, known


def _run_in(trial: Trial, world: World, folder: Path, commands: Sequence[Sequence[str]] = ALL) -> None:
    settings = {**world.settings, "MESHSEEK_WORKSPACE": str(folder)}
    jobs = replace(world.job([filled(command, world) for command in commands]), settings=settings)
    _judged(trial, run_job(jobs, world.scratch))


def _judged(trial: Trial, ran: Ran) -> None:
    trial.hung = trial.hung or ran.hung
    judge_words(trial, ran)
    trial.expect(not any(ran.exits), f"{[said[-300:] for said in ran.said]}")


def _at_once(trial: Trial, world: World, copy: Path, settings: Mapping[str, str]) -> None:
    """Update original and copy at the same time."""
    running = []
    for folder in (world.folder, copy):
        job = replace(
            world.job([worlds.UPDATE]), settings={**world.settings, **settings, "MESHSEEK_WORKSPACE": str(folder)}
        )
        running.append(Running(job, world.scratch))
    for one in running:
        one.wait_until_ready()
    for one in running:
        one.go()
    for one in running:
        _judge(trial, one.ended())


def _facts(folder: Path) -> dict[tuple[object, ...], object]:
    with EmbeddedServer(folder) as server:
        place = make_conninfo(server.acquire(), dbname=worlds.DATABASE)
        with psycopg.connect(place, autocommit=True) as connection:
            return published_facts(contents(connection), folder)
