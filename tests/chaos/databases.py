"""Trials in which the database server, one of its processes or its keeper is killed, or its disk fills."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from random import Random

import psutil

from tests.chaos import disk
from tests.chaos.child import Running
from tests.chaos.trials import Bench, Trial, error_lines, finish, judge_words, look_at_live
from tests.chaos.victims import VICTIMS
from tests.chaos.world import DISK_OF_DATABASE, World, filled

FEW, MANY = 0, 300
"""Pages of 4 KiB that the database's disk still has."""


def killed(bench: Bench, victim_name: str, random: Random, *, whom: str) -> Trial:
    """Kill one of the server's processes by ``kill -9`` while a victim runs."""
    victim = VICTIMS[victim_name]
    world, known = bench.world, bench.undisturbed(victim)
    world.bring_back(victim.point)
    trial = Trial(struck=True)
    bench.reader.begin(world.folder)
    running = Running(world.job([filled(victim.command, world)], share=victim.share), world.scratch)
    running.wait_until_ready()
    running.go()
    running.joined(random.uniform(0, known.seconds))
    targets = _targets(world, whom)
    if targets:
        with suppress(ProcessLookupError):
            os.kill(random.choice(targets), signal.SIGKILL)
    _ended(trial, running)
    world.conninfo()
    look_at_live(trial, bench, known)
    finish(trial, bench, victim, known)
    return trial


def full(bench: Bench, victim_name: str, random: Random) -> Trial:
    """Leave the database's disk little room while a victim runs, and then give it room again."""
    victim = VICTIMS[victim_name]
    world, known = bench.world, bench.undisturbed(victim)
    world.bring_back(victim.point)
    assert world.database_disk is not None
    trial = Trial(struck=True)
    bench.reader.begin(world.folder)
    running = Running(world.job([filled(victim.command, world)], share=victim.share), world.scratch)
    running.wait_until_ready()
    running.go()
    running.joined(random.uniform(0, 0.8 * known.seconds))
    disk.leave(world.database_disk, random.randint(FEW, MANY))
    try:
        _ended(trial, running)
    finally:
        disk.resize_disk(world.database_disk, DISK_OF_DATABASE * 256)
    world.conninfo()
    look_at_live(trial, bench, known)
    finish(trial, bench, victim, known)
    return trial


def _ended(trial: Trial, running: Running) -> None:
    ran = running.ended()
    trial.hung = ran.hung
    judge_words(trial, ran)
    trial.said = [line for said in ran.said for line in error_lines(said)]
    trial.struck = bool(trial.said)


def _targets(world: World, whom: str) -> list[int]:
    data = world.data_folder()
    if whom == "keeper":
        mine = {"meshseek.store.embedded.keeper", str(world.folder.resolve() / "database")}
        return [own.pid for own in psutil.process_iter(["cmdline"]) if mine <= set(own.info["cmdline"] or ())]
    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    if whom == "postmaster":
        return [postmaster]
    with suppress(psutil.Error):
        return [own.pid for own in psutil.Process(postmaster).children() if "toy_embeddings" in " ".join(own.cmdline())]
    return []
