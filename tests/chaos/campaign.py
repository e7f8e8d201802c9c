"""The campaign: every pair of fault and victim, how often it is tried, and what has come of it."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos import altered, databases, elsewhere
from tests.chaos.damage import KINDS
from tests.chaos.trials import Bench, Trial, disturb, disturb_restore
from tests.chaos.victims import VICTIMS
from tests.chaos.world import INDEX

SHORT = (
    *("kill/import", "kill/translate", "kill/publish", "kill/tune", "kill/forget", "kill/forget-library"),
    *("kill/backup", "kill/restore", "kill/clean", "kill-time/embed", "full/render", "read-only/import"),
    *("memory/publish", "clock/update", "kill-postmaster/publish-in-place", "kill-backend/update"),
    *("kill-keeper/publish", "database-full/publish", "together/clean+embed", "workspace/moved"),
    *("altered/manifests", "altered/shards", "altered/listings", "altered/ledgers", "altered/codes"),
    "together/publish+publish",
)
"""The scenarios of the short form: each victim and each fault, one trial of each."""
Run = Callable[[Bench, Random], Trial]
NEEDS_MOUNTS = {"full", "read-only", "database-full"}
CODES = "codes"
ALTERED = (*KINDS, CODES) if INDEX == CODES else tuple(KINDS)
OF_DATABASE = ("publish", "publish-in-place", "update", "tune", "clean")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault and one victim."""

    fault: str
    victim: str
    run: Run
    times: int
    """In the full campaign."""

    @property
    def name(self) -> str:
        """As ``--only`` takes it."""
        return f"{self.fault}/{self.victim}"


def scenarios() -> list[Scenario]:
    """All of them."""
    return list(_scenarios())


def _scenarios() -> Iterator[Scenario]:
    outside = {"kill": 30, "kill-time": 20, "full": 15, "read-only": 8, "memory": 8, "clock": 4}
    for fault, times in outside.items():
        for victim in VICTIMS.values():
            yield Scenario(fault, victim.name, _outside(victim.name, fault), times)
    for fault, times in {"kill": 30, "kill-time": 20, "full": 15}.items():
        yield Scenario(fault, "restore", partial(_restore, fault), times)
    for whom in ("postmaster", "backend", "keeper"):
        for name in OF_DATABASE:
            yield Scenario(f"kill-{whom}", name, _database(name, whom), 5)
    for name in ("publish", "publish-in-place", "update", "tune"):
        yield Scenario("database-full", name, _full_database(name), 6)
    for kind in ALTERED:
        yield Scenario("altered", kind, partial(_altered, kind), 25)
    for pair in elsewhere.PAIRS:
        yield Scenario("together", pair, partial(_together, pair), 4)
    for name, run in (
        ("moved", elsewhere.moved),
        ("linked", elsewhere.linked),
        ("copied", elsewhere.copied),
        ("copied-one-database", elsewhere.copied_with_one_database),
    ):
        yield Scenario("workspace", name, partial(_elsewhere, run), 3)


def _outside(name: str, fault: str) -> Run:
    return lambda bench, random: disturb(bench, VICTIMS[name], fault, random)


def _restore(fault: str, bench: Bench, random: Random) -> Trial:
    return disturb_restore(bench, fault, random)


def _database(name: str, whom: str) -> Run:
    return lambda bench, random: databases.killed(bench, name, random, whom=whom)


def _full_database(name: str) -> Run:
    return lambda bench, random: databases.full(bench, name, random)


def _altered(kind: str, bench: Bench, random: Random) -> Trial:
    return altered.altered_codes(bench, random) if kind == CODES else altered.altered(bench, kind, random)


def _together(pair: str, bench: Bench, random: Random) -> Trial:
    return elsewhere.together(bench, pair, random)


def _elsewhere(run: Callable[[Bench, str, Random], Trial], bench: Bench, random: Random) -> Trial:
    return run(bench, "", random)


@dataclass(slots=True, kw_only=True)
class Row:
    """What has come of one scenario; a line of the table."""

    fault: str
    victim: str
    tried: int = 0
    struck: int = 0
    """Trials in which the fault was felt: the victim was killed, refused, or said that something is wrong."""
    lost: int = 0
    doubled: int = 0
    phantom: int = 0
    zeroed: int = 0
    altered: int = 0
    hung: int = 0
    leftover: int = 0
    complaints: int = 0
    searches: int = 0
    """Answers that readers got meanwhile, each compared."""
    seconds: float = 0.0
    failures: list[dict[str, Any]] = field(default_factory=list)
    """Of each trial that was not good: its number and what it has shown."""

    @property
    def is_good(self) -> bool:
        """Whether every trial was."""
        return not self.failures

    def add(self, number: int, trial: Trial, seconds: float) -> None:
        """Count a trial."""
        self.tried += 1
        self.struck += trial.struck
        self.searches += trial.searches
        self.seconds = round(self.seconds + seconds, 2)
        for kind in ("lost", "doubled", "phantom", "zeroed", "altered"):
            setattr(self, kind, getattr(self, kind) + bool(getattr(trial.difference, kind)))
        self.hung += trial.hung
        self.leftover += bool(trial.leftover)
        self.complaints += bool(trial.complaints)
        if not trial.is_good:
            self.failures.append({"number": number, **asdict(trial)})


def run_scenario(bench: Bench, scenario: Scenario, numbers: Sequence[int], seed: int) -> Row:
    """Try one scenario; trial ``n`` is the same whatever else is tried."""
    row = Row(fault=scenario.fault, victim=scenario.victim)
    for number in numbers:
        began = time.monotonic()
        try:
            trial = scenario.run(bench, Random(f"{seed}/{scenario.name}/{number}"))
        except Exception:  # noqa: BLE001  # the others are still to be tried
            trial = Trial(complaints=[f"the trial itself failed: {traceback.format_exc()[-2000:]}"])
            bench.renew_reader()
        row.add(number, trial, time.monotonic() - began)
    return row


COLUMNS = ("tried", "struck", "lost", "doubled", "phantom", "zeroed", "altered", "hung", "leftover", "complaints")


def as_text(rows: Sequence[Row]) -> str:
    """The table."""
    lines = [f"{'fault':<16}{'victim':<21}" + "".join(f"{name:>11}" for name in COLUMNS) + f"{'seconds':>10}"]
    for row in rows:
        numbers = "".join(f"{getattr(row, name):>11}" for name in COLUMNS)
        lines.append(f"{row.fault:<16}{row.victim:<21}{numbers}{row.seconds:>10.1f}")
    sums = "".join(f"{sum(getattr(row, name) for row in rows):>11}" for name in COLUMNS)
    lines.append(f"{'all':<37}{sums}{sum(row.seconds for row in rows):>10.1f}")
    lines.append(f"{sum(row.searches for row in rows):,} answers of readers were compared")
    return "\n".join(lines)


def write(rows: Sequence[Row], file: Path, **facts: Any) -> None:
    """The same as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    value = {**facts, "rows": [asdict(row) for row in rows]}
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def merged(parts: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of several workers, those of one scenario as one."""
    rows: dict[tuple[str, str], Row] = {}
    for row in (row for part in parts for row in part):
        known = rows.setdefault((row.fault, row.victim), Row(fault=row.fault, victim=row.victim))
        for name in (*COLUMNS, "searches"):
            setattr(known, name, getattr(known, name) + getattr(row, name))
        known.seconds = round(known.seconds + row.seconds, 2)
        known.failures += row.failures
    order = {scenario.name: number for number, scenario in enumerate(scenarios())}
    return sorted(rows.values(), key=lambda row: order[f"{row.fault}/{row.victim}"])
