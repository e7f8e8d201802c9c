"""Simulates how long a search takes that waits for N shards, each as slow as one server was measured to be.

``python benchmarks/fanout.py`` draws each shard's time from a lognormal distribution with the median and the 95th
percentile that a million assets took ('A million assets of eight views' in docs/benchmarks.md), or from ``--latencies
FILE``, one time in milliseconds a line. Shards are taken to be independent, and asked at the same moment; what merging
takes is not in it.
``--measured FILE`` compares with what was measured: a table as CSV, one search a line, with a column for each shard and
a column ``whole`` for the search that waited for all of them, in milliseconds.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

P50, P95 = 6.9, 11.0
"""Milliseconds of a worded query over a million assets, asked for the first time."""
QUANTILES = (0.5, 0.95, 0.99)
HEDGED_AFTER = 0.95
SHARDS = (1, 3, 10, 30, 100)
SEARCHES = 100_000
WHOLE = "whole"
SCORE = NormalDist().inv_cdf(0.95)

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How long one server takes."""

    times: Times | None = None
    """Measured ones, in milliseconds; without, they are lognormal."""
    p50: float = P50
    p95: float = P95
    straggling: float = 0.0
    """Share of requests that take ``slower`` times as long: a vacuum, a checkpoint, a page from the disk."""
    slower: float = 10.0

    def draw(self, chance: np.random.Generator, count: int) -> Times:
        """So many times of this server."""
        if self.times is None:
            drawn = chance.lognormal(math.log(self.p50), math.log(self.p95 / self.p50) / SCORE, count)
        else:
            drawn = chance.choice(self.times, count)
        if self.straggling:
            drawn[chance.random(count) < self.straggling] *= self.slower
        return drawn

    def quantile(self, q: float) -> float:
        """Within which a share of all its times are, stragglers left out."""
        if self.times is not None:
            return float(np.quantile(self.times, q))
        return float(self.p50 * (self.p95 / self.p50) ** (NormalDist().inv_cdf(q) / SCORE))


@dataclass(frozen=True, slots=True)
class Waited:
    """Times of whole searches, each that of its slowest shard."""

    times: Times
    asked: float
    """Requests for each that a search needs."""


def wait_for_all(server: Server, shards: int, searches: int, seed: int, *, hedge: bool = False) -> Waited:
    """Draw searches that wait for every shard.

    Args:
        server: That each shard is like.
        shards: How many.
        searches: Drawn.
        seed: The same gives the same.
        hedge: Whether a shard that has not answered within the 95th percentile is asked once more, on a replica, and
            the answer that comes first counts.
    """
    chance = np.random.default_rng(seed)
    patience = server.quantile(HEDGED_AFTER)
    slowest, again = np.zeros(searches), 0
    for _ in range(shards):
        times = server.draw(chance, searches)
        if hedge:
            late = np.flatnonzero(times > patience)
            times[late] = np.minimum(times[late], patience + server.draw(chance, len(late)))
            again += len(late)
        np.maximum(slowest, times, out=slowest)
    return Waited(slowest, 1 + again / (shards * searches))


def table(server: Server, shards: Sequence[int], searches: int, seed: int) -> Iterator[str]:
    """Lines of the table: as drawn, by the closed form, and with second requests."""
    names = " | ".join(f"p{100 * q:.0f}" for q in QUANTILES)
    hedged_names = " | ".join(f"hedged p{100 * q:.0f}" for q in QUANTILES)
    yield f"| shards | {names} | F^N p99 | {hedged_names} | requests |"
    yield "|---" * 9 + "|"
    for number in shards:
        plain = wait_for_all(server, number, searches, seed)
        hedged = wait_for_all(server, number, searches, seed, hedge=True)
        cells = [*_told(plain.times), f"{server.quantile(QUANTILES[-1] ** (1 / number)):.1f}", *_told(hedged.times)]
        yield f"| {number} | {' | '.join(cells)} | {hedged.asked:.2f} |"


def compare(columns: Mapping[str, Times], searches: int, seed: int) -> Iterator[str]:
    """Lines of a table: searches as they were measured, beside what their shards would have them take.

    Args:
        columns: Milliseconds of each shard, and of the whole, search by search.
        searches: Drawn of independent shards.
        seed: Of these.
    """
    chance = np.random.default_rng(seed)
    shards = [times for name, times in columns.items() if name != WHOLE]
    whole = columns[WHOLE]
    rows = {
        "measured": whole,
        "slowest shard of the same search": np.max(shards, axis=0),
        "slowest of independent shards": np.max([chance.choice(each, searches) for each in shards], axis=0),
    }
    yield f"| {len(shards)} shards, {len(whole)} searches | {' | '.join(f'p{100 * q:.0f}' for q in QUANTILES)} |"
    yield "|---" * (1 + len(QUANTILES)) + "|"
    for name, times in rows.items():
        yield f"| {name} | {' | '.join(_told(times))} |"
        if name != "measured":
            ratios = [f"{np.quantile(whole, q) / np.quantile(times, q) - 1:+.0%}" for q in QUANTILES]
            yield f"| measured beside it | {' | '.join(ratios)} |"


def read_times(path: Path) -> Times:
    """Milliseconds, one a line.

    Raises:
        ValueError: There are none, or something else is among them.
    """
    return _positive([float(line) for line in path.read_text("utf-8").split()], path)


def read_columns(path: Path) -> dict[str, Times]:
    """The columns of a table of measured searches.

    Raises:
        ValueError: There is no column ``whole``, none of a shard, or a cell is no time.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0]) if rows else []
    if WHOLE not in names or len(names) == 1:
        raise ValueError(f"{path} needs a column '{WHOLE}' and one for each shard")
    return {name: _positive([float(row[name] or "nan") for row in rows], path) for name in names}


def _positive(values: list[float], path: Path) -> Times:
    times = np.array(values, dtype=np.float64)
    if not len(times) or not np.all(times > 0) or not np.all(np.isfinite(times)):
        raise ValueError(f"{path} must hold milliseconds, all of them above 0")
    return times


def _told(times: Times) -> list[str]:
    return [f"{value:.1f}" for value in np.quantile(times, QUANTILES)]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--latencies", type=Path, help="milliseconds of one server, one a line")
    parser.add_argument("--measured", type=Path, help="CSV of searches over real shards, to compare with")
    parser.add_argument("--p50", type=float, default=P50, help=f"of one server, ms; {P50}")
    parser.add_argument("--p95", type=float, default=P95, help=f"of one server, ms; {P95}")
    parser.add_argument("--shards", type=int, nargs="+", default=SHARDS)
    parser.add_argument("--straggling", type=float, default=0.0, help="share of requests that are slower")
    parser.add_argument("--slower", type=float, default=10.0, help="times as long as these take")
    parser.add_argument("--searches", type=int, default=SEARCHES)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        if arguments.measured:
            lines = compare(read_columns(arguments.measured), arguments.searches, arguments.seed)
        else:
            server = Server(
                times=read_times(arguments.latencies) if arguments.latencies else None,
                p50=arguments.p50,
                p95=arguments.p95,
                straggling=arguments.straggling,
                slower=arguments.slower,
            )
            lines = table(server, arguments.shards, arguments.searches, arguments.seed)
        for line in lines:
            print(line)
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
