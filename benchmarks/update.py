"""Measures ``meshseek update``: with nothing to do, and from a changed asset to its being found; against the limits.

Run it with ``make bench-update``, or ``make bench-update ARGS="--synthetic 100000"`` for a quick look. The furniture
library is what ``meshseek demo`` fetches; the synthetic ones have vectors and no pictures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from commands import run_meshseek

from meshseek.pipeline.sample_assets import make_sample_assets

ROUNDS = 3
LIMIT_FURNITURE = 3.0
LIMIT_SYNTHETIC = 90.0
LIMIT_MEMORY_MB = 3000.0
LIMIT_ONE_CHANGED = 15.0
CHANGED_IN = 100_000


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--synthetic", type=int, default=1_000_000, help="assets of the large library")
    parser.add_argument("--only", choices=("furniture", "synthetic", "changed"), help="measure one of the three")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        folder = Path(temporary)
        if arguments.only in (None, "furniture"):
            run_meshseek("demo", "--assets", "all", "--once", workspace=folder / "furniture")
            _nothing_to_do("820 pieces of furniture", folder / "furniture", LIMIT_FURNITURE)
        if arguments.only in (None, "changed"):
            _one_changed(folder)
        if arguments.only in (None, "synthetic"):
            _synthetic(folder / "synthetic", arguments.synthetic)
            _nothing_to_do(f"{arguments.synthetic:,} synthetic assets", folder / "synthetic", LIMIT_SYNTHETIC)


def _nothing_to_do(title: str, workspace: Path, limit: float) -> None:
    run_meshseek("update", workspace=workspace)  # what the stages had left
    rounds = [run_meshseek("update", workspace=workspace) for _ in range(ROUNDS)]
    median = statistics.median(taken.seconds for taken in rounds)
    _row(f"update with nothing to do, {title}, median of {ROUNDS}", median, "s", limit)
    _row(f"  peak memory of all its processes, {title}", max(taken.peak for taken in rounds), "MB", LIMIT_MEMORY_MB)


def _one_changed(folder: Path) -> None:
    """One model of a small library is replaced, beside a large one in the same workspace."""
    workspace, models = folder / "changed", make_sample_assets(folder / "models", 20)
    _synthetic(workspace, CHANGED_IN - 20)
    run_meshseek("import", "folder", str(models), "--library", "furniture", workspace=workspace)
    run_meshseek("render", "--views", "8", "--size", "256", workspace=workspace)
    run_meshseek("update", "--algorithm", "synthetic", workspace=workspace)
    times = []
    for number in range(ROUNDS):
        name = f"novelty {number}"
        shutil.copyfile(models / "cup-0001.glb", models / f"{name}.glb")
        started = time.monotonic()
        run_meshseek("update", workspace=workspace)
        answer = run_meshseek(
            *("search", f'"{name}"', "--algorithm", "synthetic", "--target", "words", "--json"), workspace=workspace
        ).printed
        times.append(time.monotonic() - started)
        found = [hit["asset_id"] for hit in json.loads(answer)["results"]]
        assert found == [f"furniture/{name}"], found
    median = statistics.median(times)
    _row(f"one new asset of {CHANGED_IN:,}, from update to found, median of {ROUNDS}", median, "s", LIMIT_ONE_CHANGED)


def _synthetic(workspace: Path, assets: int) -> None:
    size = ["--assets", str(assets), "--views", "1", "--dim", "64"]
    run_meshseek("bench", "make", *size, workspace=workspace)
    run_meshseek("publish", "--algorithm", "synthetic", "--index", "hnsw", workspace=workspace)


def _row(title: str, value: float, unit: str, limit: float) -> None:
    print(f"{title:<82} {value:>9.1f} {unit:<2} limit {limit:>7.1f}  ratio {value / limit:.2f}", flush=True)


if __name__ == "__main__":
    main()
