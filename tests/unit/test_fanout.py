"""The simulation of searches that wait for many shards, beside closed forms and beside what it is told was measured."""

from __future__ import annotations

import importlib
import math
import re
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
SEARCHES = 200_000


@pytest.fixture
def fanout(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which is no part of the package."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("fanout")


def within(fanout: ModuleType, time: float) -> float:
    """The share of a server's times that are no longer: the distribution function F."""
    sigma = math.log(fanout.P95 / fanout.P50) / NormalDist().inv_cdf(0.95)
    return NormalDist(math.log(fanout.P50), sigma).cdf(math.log(time))


@pytest.mark.parametrize("shards", [1, 3, 10, 30])
@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_the_slowest_of_many_is_distributed_as_their_power(fanout: ModuleType, shards: int, q: float) -> None:
    """Of N independent times the maximum is within t with F(t)^N."""
    times = fanout.wait_for_all(fanout.Server(), shards, SEARCHES, seed=1).times

    expected = fanout.Server().quantile(q ** (1 / shards))
    assert within(fanout, expected) ** shards == pytest.approx(q)
    assert np.quantile(times, q) == pytest.approx(expected, rel=0.02)


def test_stragglers_are_a_mixture(fanout: ModuleType) -> None:
    """Of one request in a hundred that takes ten times as long, ten shards notice one in ten."""
    server = fanout.Server(straggling=0.01, slower=10.0)
    times = fanout.wait_for_all(server, 10, SEARCHES, seed=2).times

    for time in (10.0, 20.0, 60.0):
        each = 0.99 * within(fanout, time) + 0.01 * within(fanout, time / 10)
        assert np.mean(times <= time) == pytest.approx(each**10, abs=0.005)


def test_a_second_request_takes_the_tail_away(fanout: ModuleType) -> None:
    """Sent after d = p95, both are late with (1 - F(t)) (1 - F(t - d)); one in twenty is sent twice."""
    waited = fanout.wait_for_all(fanout.Server(), 10, SEARCHES, seed=3, hedge=True)

    d = fanout.P95
    for time in (15.0, 17.0, 20.0):
        late = (1 - within(fanout, time)) * (1 - within(fanout, time - d))
        assert np.mean(waited.times <= time) == pytest.approx((1 - late) ** 10, abs=0.005)
    assert waited.asked == pytest.approx(1.05, abs=0.002)


def test_measured_times_are_drawn_as_they_are(fanout: ModuleType, tmp_path: Path) -> None:
    """Half of them 1 ms and half 2: of three shards one is slow in seven of eight."""
    (tmp_path / "times").write_text("1\n2\n" * 50, "utf-8")
    server = fanout.Server(times=fanout.read_times(tmp_path / "times"))
    times = fanout.wait_for_all(server, 3, SEARCHES, seed=4).times

    assert np.mean(times == 2) == pytest.approx(7 / 8, abs=0.005)


def test_what_was_measured_is_set_beside_it(fanout: ModuleType, tmp_path: Path) -> None:
    """Shards that are slow together are better than independent ones; merging is told as the difference."""
    chance = np.random.default_rng(5)
    together = fanout.Server().draw(chance, 4000)
    lines = [f"{each:.4f},{each:.4f},{each:.4f},{each + 1:.4f}" for each in together]
    (tmp_path / "measured.csv").write_text("\n".join(["a,b,c,whole", *lines]), "utf-8")

    told = list(fanout.compare(fanout.read_columns(tmp_path / "measured.csv"), SEARCHES, seed=6))

    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in told]
    assert cells[0][0] == "3 shards, 4000 searches"
    same, independent = (float(row[1]) for row in cells if row[0].startswith("slowest"))
    assert float(cells[2][1]) == pytest.approx(same + 1, abs=0.11)
    assert same == pytest.approx(fanout.P50, rel=0.03)
    assert independent == pytest.approx(fanout.Server().quantile(0.5 ** (1 / 3)), rel=0.03)
    assert cells[-1] == ["measured beside it", *cells[-1][1:]]
    assert cells[-1][1].startswith("-")


def test_the_page_shows_what_it_prints(fanout: ModuleType) -> None:
    """The same seed gives the same tables, and the server is the one that was measured there."""
    page = BENCHMARKS.read_text("utf-8")
    commands = re.findall(r"^python (benchmarks/fanout.py.*)$", page, re.MULTILINE)
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout in page
    assert len(commands) == 2
    assert f"(p50 {fanout.P50} ms, p95 {fanout.P95}, lognormal)" in page


@pytest.mark.parametrize(
    ("option", "content", "told"),
    [
        ("--latencies", "", "must hold milliseconds"),
        ("--latencies", "3\n-1\n", "must hold milliseconds"),
        ("--latencies", "3\nfast\n", "could not convert"),
        ("--measured", "a,b\n1,2\n", "needs a column 'whole'"),
        ("--measured", "a,whole\n1,\n", "must hold milliseconds"),
    ],
)
def test_a_file_of_something_else_is_one_line(
    fanout: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, content: str, told: str
) -> None:
    """That says what is wanted."""
    (tmp_path / "file").write_text(content, "utf-8")
    monkeypatch.setattr(sys, "argv", ["fanout.py", option, str(tmp_path / "file")])

    with pytest.raises(SystemExit, match=told):
        fanout.main()
