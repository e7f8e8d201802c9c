"""``meshseek plan`` for several machines: what each of them needs, what all give and cost, and what breaks first."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from tests.command_lines import run_here

from meshseek.pipeline.planning.cluster import EFFICIENCY, IMPORTED, IMPORTING, TABLE
from meshseek.pipeline.planning.searches import ASKING, CODES, GROWTH, LARGEST, MEASURED, SERVER, server_searches

ROOT = Path(__file__).parents[2]
BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
SMALL = (ROOT / "docs" / "decisions" / "0028-which-kind-is-the-default.md").read_text("utf-8")
MILLION = ("--assets", "1000000", "--algorithm", "siglip", "--dim", "768", "--model", "somebody/else")
MACHINE = ("--cores", "32", "--memory", "256", "--disk", "4000")
LINES = re.MULTILINE
SIZES = [10**power for power in range(4, 10)]


def planned(*arguments: str, folder: Path) -> dict[str, Any]:
    """What is printed as JSON, without any workspace."""
    ended = run_here(["plan", *arguments, "--json"], cwd=folder)
    assert ended.returncode == 0, ended.stderr
    value: dict[str, Any] = json.loads(ended.stdout)
    return value


def test_shards_share_the_disk_and_not_the_codes(tmp_path: Path) -> None:
    """Each server has its part of the database; a service looks at the codes of all, and graphs are in the servers."""
    codes, graphs = (planned(*MILLION, "--shards", "4", "--index", kind, folder=tmp_path) for kind in ("codes", "hnsw"))

    for plan in (codes, graphs):
        each = plan["cluster"]
        assert each["server_disk"] == math.ceil(sum(plan["database_bytes"].values()) / 4)
        assert each["server_disk_again"] == 2 * each["server_disk"]
    needed = [plan["memory_bytes"]["searched"] for plan in (codes, graphs)]
    assert (codes["cluster"]["api_memory"], codes["cluster"]["server_memory"]) == (needed[0], 0)
    assert (graphs["cluster"]["api_memory"], graphs["cluster"]["server_memory"]) == (0, math.ceil(needed[1] / 4))
    assert graphs["cluster"]["build_memory"] == math.ceil(graphs["memory_bytes"]["building"] / 4)


@pytest.mark.parametrize(("options", "share"), [((), EFFICIENCY), (("--efficiency", "0.5"), 0.5)])
def test_workers_share_what_is_embedded(tmp_path: Path, options: tuple[str, ...], share: float) -> None:
    """Each gives a little less than a machine that works alone."""
    asked = (*MILLION, "--pictures-per-second", "100", *options)
    one, ten = (planned(*asked, "--workers", workers, folder=tmp_path)["cluster"] for workers in ("1", "10"))

    assert one["seconds"]["embed views"] == pytest.approx(8e6 / 100)
    assert ten["seconds"]["embed views"] == pytest.approx(8e6 / 100 / 10 / share)
    assert one["seconds"]["embed captions"] is None
    assert ten["nodes"] == ten["servers"] == 1


def test_what_was_measured_is_what_is_counted_with() -> None:
    """Each constant is a figure of docs/benchmarks.md, or of what was decided by it."""
    serving = {
        name: [float(cell) for cell in row.split(" | ")]
        for name, row in zip(("codes", "hnsw"), re.findall(r"^\| 32 \| ([\d.| ]+) \|$", BENCHMARKS, LINES), strict=True)
    }
    (growth,) = re.findall(r"^\| exponent \| \S+ \| \S+ \| (\S+) \|", BENCHMARKS, LINES)
    (graph,) = re.findall(r"^\| words: recall, worst query, p50 \| .* ms \| .* (\d\.\d) ms \|$", SMALL, LINES)
    (large,) = re.findall(r"A graph of a million \(`hnsw`\) .* took (\d+) ms first", BENCHMARKS)
    ((imported, megabytes),) = re.findall(
        r"^\| import with nothing to do, .* \| ([\d,]+) \| [\d.]+ \| (\d+) \|$", BENCHMARKS, LINES
    )

    assert {name: 2 / row[5] for name, row in serving.items()} == pytest.approx(dict(SERVER))
    assert [row[6] / 1000 for row in serving.values()] == pytest.approx([ASKING + CODES, ASKING])
    assert GROWTH["codes"] == float(growth)
    assert GROWTH["hnsw"] == pytest.approx(math.log(float(large) / float(graph), LARGEST / MEASURED), abs=0.01)
    assert pytest.approx((1e6 * int(megabytes) - IMPORTING) / int(imported.replace(",", ""))) == IMPORTED


def test_replicas_answer_as_many_searches_each(tmp_path: Path) -> None:
    """Two cores 463 a second, as was measured; as many more as there are servers, and API processes to ask for them."""
    asked = ("--assets", str(MEASURED), "--index", "codes", "--cores", "2", "--memory", "24")
    one, three = (planned(*asked, "--replicas", number, folder=tmp_path)["cluster"] for number in ("0", "2"))

    assert one["searches"] == one["all_searches"] == three["searches"] == pytest.approx(463.1)
    assert three["all_searches"] == pytest.approx(3 * 463.1)
    assert one["process_searches"] == pytest.approx(1000 / 4.701)
    assert (one["processes"], three["processes"]) == (3, 7)
    assert (one["nodes"], three["nodes"]) == (1, 4)
    million = server_searches("codes", LARGEST, 2)
    assert million == pytest.approx(463.1 / 40**0.38)


def test_replicas_of_shards_stand_by(tmp_path: Path) -> None:
    """They cost, and keep the library there; searches ask the shards, all of them each time."""
    asked = (*MILLION, *MACHINE, "--index", "codes", "--shards", "4")
    none, one = (planned(*asked, "--replicas", number, folder=tmp_path)["cluster"] for number in ("0", "1"))

    assert none["all_searches"] == none["searches"] == one["all_searches"]
    assert (none["nodes"], one["nodes"]) == (5, 9)
    assert [note.startswith("replicas of shards stand by") for note in one["notes"]] == [True]


def test_what_was_not_measured_is_not_told(tmp_path: Path) -> None:
    """Neither searches of other kinds of index, nor what an embedding of unknown length costs."""
    cluster = planned(*MILLION, "--index", "exact", "--gpu-cost", "3", "--gpu", folder=tmp_path)["cluster"]

    assert [cluster[name] for name in ("searches", "process_searches", "processes", "embedding")] == [None] * 4


def test_machines_cost_a_month_and_workers_while_they_embed(tmp_path: Path) -> None:
    """Servers of all shards, their replicas and a machine for the API; workers with a GPU at their own price."""
    asked = (*MILLION, "--workers", "10", "--shards", "2", "--replicas", "1", "--pictures-per-second", "100")
    prices = ("--node-cost", "2", "--gpu-cost", "3")
    with_gpu, without = (planned(*asked, *prices, gpu, folder=tmp_path)["cluster"] for gpu in ("--gpu", "--no-gpu"))

    hours = 8e6 / 100 / EFFICIENCY / 3600
    assert with_gpu["month"] == without["month"] == pytest.approx(5 * 2 * 730)
    assert with_gpu["embedding"] == pytest.approx(3 * hours)
    assert without["embedding"] == pytest.approx(2 * hours)


@pytest.mark.parametrize("index", ["codes", "hnsw"])
def test_it_stays_sane_up_to_a_thousand_million(tmp_path: Path, index: str) -> None:
    """More assets never take less, nor are answered faster; what does not fit is told once it does not."""
    asked = (*MACHINE, "--views", "8", "--index", index, "--shards", "2", "--pictures-per-second", "200")
    clusters = [planned("--assets", str(size), *asked, folder=tmp_path)["cluster"] for size in SIZES]

    for name in ("server_disk", "server_memory", "build_memory", "api_memory", "import_memory"):
        values = [cluster[name] for cluster in clusters]
        assert values == sorted(values), name
        assert all(math.isfinite(value) for value in values)
    rates = [cluster["searches"] for cluster in clusters]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0
    told = [len(cluster["notes"]) for cluster in clusters]
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 4)


def test_a_table_that_postgresql_cannot_hold_is_told(tmp_path: Path) -> None:
    """32 TB; and how many shards it takes."""
    asked = ("--assets", "1000000000", "--views", "40", "--algorithm", "synthetic", "--index", "codes")
    (note,) = [
        each for each in planned(*asked, "--shards", "1", folder=tmp_path)["cluster"]["notes"] if "in one (" in each
    ]
    (shards,) = re.findall(r"at least (\d+) shards", note)
    enough = planned(*asked, "--shards", shards, folder=tmp_path)

    assert int(shards) == math.ceil(max(enough["database_bytes"].values()) / TABLE) == 2
    assert not [each for each in enough["cluster"]["notes"] if "in one (" in each]


def test_a_table_for_people_has_a_line_for_each_machine(tmp_path: Path) -> None:
    """With its unit; and nothing about several machines where nobody asked."""
    asked = (*MILLION, "--index", "codes", *MACHINE)
    alone = run_here(["plan", *asked], cwd=tmp_path).stdout
    several = run_here(["plan", *asked, "--workers", "4", "--replicas", "2", "--node-cost", "1.5"], cwd=tmp_path).stdout
    lines = {line[:36].strip(): line[36:].strip() for line in several.splitlines()}

    assert several.startswith(alone.rstrip())
    assert lines["workers"] == "4, each 90 % of one alone"
    assert lines["database servers"] == "3, 1 x (1 + 2 replicas)"
    assert lines["each server: disk"].endswith("GB")
    assert lines["each API machine: codes in memory"] == lines["memory that searches read"]
    assert lines["cost: a month of answering"] == "4,380.00"


@pytest.mark.parametrize(
    "wrong",
    [("--shards", "0"), ("--workers", "0"), ("--replicas", "-1"), ("--efficiency", "0"), ("--node-cost", "-1")],
)
def test_what_makes_no_sense_is_the_command_lines_to_say(tmp_path: Path, wrong: tuple[str, str]) -> None:
    """Before anything is planned."""
    ended = run_here(["plan", *MILLION, *wrong], cwd=tmp_path)

    assert ended.returncode == 2
    assert "not in the range" in ended.stderr.splitlines()[-1]
