"""Trials in which files were altered while nobody ran: it is noticed, and the cure that is named works."""

from __future__ import annotations

import io
import re
import shutil
from contextlib import suppress
from pathlib import Path
from random import Random

from meshseek.store.codes.file import _description
from tests.chaos import world as worlds
from tests.chaos.child import Ran
from tests.chaos.child import run as run_job
from tests.chaos.damage import WAYS, damage, delete
from tests.chaos.trials import Bench, Trial, compare, error_lines, judge_words
from tests.chaos.victims import VICTIMS, Undisturbed, Victim
from tests.chaos.world import World, filled
from tests.waiting import eventually

SETTLED = Victim(name="settled", point="settled", command=worlds.UPDATE)
"""An update that has nothing to do."""
HARMLESS = {"skipped", "locks"}
"""What nothing rests on: it is made again, and tells at most why something was left out."""
ONLY_VERIFIED = {"models", "views"}
"""What is as long as it was is not read again without ``--verify``."""
REPAIR = ["check", "--verify", "--repair", "--yes"]
ROUNDS = 4
CURES = (
    re.compile(r"remove the folder (?P<path>\S+) and import that library again"),
    re.compile(r"(?P<path>\S+) is damaged; remove it and import library '\w+' again"),
    re.compile(r"remove (?:the folder )?(?P<path>/\S+) and run its stage again"),
    re.compile(r"(?P<path>\S+) is damaged; remove it, and name the options of '(?P<stage>\w+)' again"),
    re.compile(r"(?P<path>\S+) is damaged \(.*\); restore it from a backup, or remove it and pay again"),
    re.compile(r"remove (?:the folder )?(?P<path>/\S+?),? and (?:embed|import) again"),
    re.compile(r"remove (?P<path>/\S+) to give its answers up"),
)
STAGES = {
    "render": worlds.RENDER,
    "translate": worlds.TRANSLATE,
    "embed": worlds.EMBED,
    "publish": worlds.PUBLISH,
}


def altered(bench: Bench, kind: str, random: Random) -> Trial:
    """Alter one file, then either look for damage or just go on, and do what is said."""
    world, known = bench.world, bench.undisturbed(SETTLED)
    world.bring_back(SETTLED.point)
    trial = Trial()
    done, is_harmless = damage(world.folder, kind, random)
    trial.said = [done]
    looks_first = kind in ONLY_VERIFIED or random.random() < 0.5
    first = ["check", "--verify"] if looks_first else worlds.UPDATE
    ran = _run(trial, world, first, ["libraries"], ["search", "a red chair", "--algorithm", "toy"])
    trial.said += [line for said in ran.said for line in error_lines(said)]
    if looks_first and kind not in HARMLESS:
        trial.struck = ran.exits[0] == 1
        trial.expect(trial.struck or is_harmless or kind == "ledgers", "check --verify does not find it")
    else:
        trial.struck = True
        if ran.exits[0] == 0:
            _nothing_wrong(trial, world, known)
    _cure(trial, world)
    compare(trial, world, known)
    if not trial.is_good:
        trial.complaints.append(done)
    return trial


def altered_codes(bench: Bench, random: Random) -> Trial:
    """Alter the file of codes, or put another version's in its place, while nobody searches; or delete it meanwhile.

    Answers are those of before, nothing is to be done, and the file is there again, as it was.
    """
    world, known = bench.world, bench.undisturbed(SETTLED)
    world.bring_back(VICTIMS["publish"].point)
    others = [path.read_bytes() for path in world.codes]
    world.bring_back(SETTLED.point)
    trial = Trial(struck=True)
    (path,) = world.codes
    whole = path.read_bytes()
    way = random.randrange(len(WAYS) + 2)
    if way < len(WAYS):
        trial.said = [WAYS[way](path, random)]
    elif way == len(WAYS):
        trial.said = [f"{path.write_bytes(others[0])} bytes of another version's codes are in {path.name}"]
    is_harmless = way < len(WAYS) and _says_the_same(path, whole)
    bench.reader.begin(world.folder)
    if way > len(WAYS):
        trial.said = [delete(path, random)]
    elif not is_harmless:  # most is compared with checksums when it is opened, codes of views a moment later
        eventually(lambda: _content(world) == [whole])
    heard = bench.reader.end()
    trial.searches = heard.count
    trial.complaints += heard.problems(known.answers)
    _run(trial, world, ["search", "a red chair", "--algorithm", "toy"], worlds.UPDATE, ["check", "--verify"])
    trial.expect(is_harmless or _content(world) == [whole], f"{trial.said}: it was not made again")
    compare(trial, world, known)
    return trial


def _says_the_same(path: Path, whole: bytes) -> bool:
    """Whether only what fills up between two parts of a file of codes was altered."""
    altered = path.read_bytes() if path.exists() else b""
    if len(altered) != len(whole):
        return False
    parts = _description(io.BytesIO(whole), len(whole))["parts"].values()
    end = max(own["start"] + own["bytes"] for own in parts)
    spans = [*((own["start"], own["start"] + own["bytes"]) for own in parts), (end, len(whole))]
    return all(altered[start:end] == whole[start:end] for start, end in spans)


def _content(world: World) -> list[bytes]:
    """Of each file of codes, while somebody may be removing it."""
    with suppress(FileNotFoundError):
        return [path.read_bytes() for path in world.codes]
    return []


def _run(trial: Trial, world: World, *commands: list[str]) -> Ran:
    ran = run_job(world.job(commands), world.scratch)
    trial.hung = trial.hung or ran.hung
    judge_words(trial, ran)
    return ran


def _nothing_wrong(trial: Trial, world: World, known: Undisturbed) -> None:
    """An update that ended well has published what is right, for it has told of nothing else."""
    trial.expect(world.published() == known.contents, "an update that ended well has published something else")


def _cure(trial: Trial, world: World) -> None:
    """Do what the messages say, until all is well."""
    for _ in range(ROUNDS):
        ran = _run(trial, world, REPAIR, worlds.UPDATE, ["clean"], ["check", "--verify"])
        said = "".join(ran.said)
        trial.said += error_lines(said)
        cures = [match for pattern in CURES for match in pattern.finditer(said)]
        if not any(ran.exits) and not cures:
            return
        commands = [command for match in cures for command in _followed(match, world)]
        if commands:
            _run(trial, world, *commands)
        elif not cures and any(ran.exits[1:]):
            break
    trial.complaints.append(f"no cure helps: {trial.said[-2:]}")


def _followed(match: re.Match[str], world: World) -> list[list[str]]:
    """Remove what is to be removed; what is to be run then."""
    path = Path(match["path"])
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    stage = match.groupdict().get("stage")
    if stage is not None:
        return [list(STAGES[stage])]
    if "librar" in match.string[match.start() : match.end()] or "import" in match[0]:
        return [[*filled(command, world), "--yes"] for command in worlds.IMPORTS.values()]
    return []
