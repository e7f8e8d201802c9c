"""``make chaos``: run the campaign, or a part of it, and print the table."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from tests.batch_service import batch_service
from tests.chaos import disk
from tests.chaos.campaign import NEEDS_MOUNTS, SHORT, Row, Scenario, as_text, merged, run_scenario, scenarios, write
from tests.chaos.reader import Reader
from tests.chaos.trials import Bench
from tests.chaos.world import prepared_world

WORKERS = 2
BUILD = Path(__file__).parents[2] / "build"
"""No folder for what is temporary: a database server of root takes away what belongs to workspaces that left one."""


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make chaos ARGS=...", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="fault, fault/victim or fault/victim#number")
    parser.add_argument("--times", type=int, help="trials of each scenario, instead of the campaign's own numbers")
    parser.add_argument("--scale", type=float, default=1.0, help="the campaign's own numbers times this")
    parser.add_argument("--short", action="store_true", help="one trial of each victim and each fault")
    parser.add_argument("--json", type=Path, default=BUILD / "chaos.json")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.short:
        options.only, options.times, options.workers = [*SHORT], 1, 1
    return options


def chosen(only: list[str]) -> list[Scenario]:
    """The scenarios that ``--only`` names; all where it names none."""
    names = [name.partition("#")[0] for name in only]
    found = [own for own in scenarios() if not names or own.name in names or own.fault in names]
    if not found:
        sys.exit(f"there is no scenario {', '.join(only)}; they are: {', '.join(own.name for own in scenarios())}")
    return found


def numbers(scenario: Scenario, options: argparse.Namespace) -> list[int]:
    """Which trials of a scenario are this worker's."""
    single = [int(name.partition("#")[2]) for name in options.only if "#" in name]
    times = options.times or max(1, round(scenario.times * options.scale))
    every = single or range(times)
    if options.worker is None:
        return list(every)
    first = options.worker + zlib.crc32(scenario.name.encode())  # who has one trial of each does not have all of them
    return [number for number in every if (number + first) % options.workers == 0]


def work(options: argparse.Namespace) -> list[Row]:
    """Run this worker's trials in a world of its own."""
    has_mounts = disk.with_mounts_of_our_own()
    BUILD.mkdir(exist_ok=True)
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="chaos-", dir=BUILD, ignore_cleanup_errors=True) as folder,
        batch_service() as service,
        prepared_world(Path(folder), service, has_mounts=has_mounts) as world,
    ):
        bench = Bench(world, Reader())
        for scenario in chosen(options.only):
            if scenario.fault in NEEDS_MOUNTS and not has_mounts:
                print(f"{scenario.name}: not tried, as only root can mount a disk", file=sys.stderr)
                continue
            if own := numbers(scenario, options):
                row = run_scenario(bench, scenario, own, options.seed)
                rows.append(row)
                print(
                    f"{scenario.name}: {row.tried} tried, {len(row.failures)} failed, {row.seconds} s", file=sys.stderr
                )
                for failure in row.failures:
                    told = {key: value for key, value in failure.items() if value}
                    print(
                        f"  #{failure['number']}: {json.dumps(told, default=str)[:1500]}", file=sys.stderr, flush=True
                    )
        bench.reader.close()
    return rows


def spread(options: argparse.Namespace) -> list[Row]:
    """Let several processes work, each in a world of its own."""
    files = [options.json.with_suffix(f".{number}.json") for number in range(options.workers)]
    workers = []
    for number, file in enumerate(files):
        file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.chaos", *sys.argv[1:], "--worker", str(number), "--json", str(file)]
        workers.append(subprocess.Popen(command))
    ends = [worker.wait() for worker in workers]
    if not set(ends) <= {0, 1}:
        sys.exit("a worker did not come to its end")
    parts = [[Row(**row) for row in json.loads(file.read_text())["rows"]] for file in files]
    for file in files:
        file.unlink()
    return merged(parts)


def main() -> None:
    """Run, print and write; the exit status is 1 where anything was lost, doubled, hung ..."""
    options = arguments()
    began = time.monotonic()
    alone = options.worker is not None or options.workers == 1
    rows = work(options) if alone else spread(options)
    seconds = round(time.monotonic() - began, 1)
    write(rows, options.json, seed=options.seed, seconds=seconds, workers=options.workers)
    if options.worker is None:
        print(as_text(rows))
        print(f"seed {options.seed}, {seconds} s; written to {options.json}")
    sys.exit(0 if all(row.is_good for row in rows) else 1)


if __name__ == "__main__":
    main()
