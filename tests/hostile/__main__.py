"""Brings the whole corpus through the product: ``python -m tests.hostile [FOLDER]``; FOLDER keeps what was written.

First each file by itself, with a line of what came of it; then all models as one library through the command line
(import, render, embed, publish), and every asset and picture through the API.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from starlette.testclient import TestClient

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http import create_app
from meshseek.pipeline.workers import Workers, in_processes
from meshseek.settings import read_settings
from tests.hostile.corpus import Hostile, corpus
from tests.hostile.trying import READ, attempt_case, table, tasks

SECONDS, MEGABYTES = 20, 1500
ROUTES = ("", "/model", "/views/0", "/views/0/camera", "/similar")


def main() -> int:
    """Try everything; the exit status tells whether anything went wrong."""
    with ExitStack() as stack:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(stack.enter_context(TemporaryDirectory()))
        started = time.monotonic()
        results = _one_by_one(folder / "alone")
        faults = _through_commands(folder)
        faults += _over_http(folder / "workspace")
        print(f"\n{sum(results.values())} files: " + ", ".join(f"{count} {what}" for what, count in results.items()))
        print(f"{len(faults)} faults, {time.monotonic() - started:.0f} s", *faults, sep="\n")
        return bool(faults)


def _one_by_one(folder: Path) -> Counter[str]:
    results: Counter[str] = Counter()
    work = in_processes(Workers(2, seconds=SECONDS, memory=MEGABYTES * 1_000_000), attempt_case)
    for name, row in table(iter(work(tasks(folder)))):
        told = row["outcome"]
        late = "took longer" in told or "of memory" in told
        results["read" if told.startswith(READ) else "stopped at a bound" if late else "refused with a reason"] += 1
        print(f"{name:<45} {row['seconds']:6.2f} s {row['megabytes']:5} MB  {told[:120]}", flush=True)
    return results


def _through_commands(folder: Path) -> list[str]:
    """All models as one library; each command must end well."""
    for case in corpus():
        if case.kind == "model":
            case.write(folder / "library")
    environment = {
        **os.environ,
        "MESHSEEK_WORKSPACE": str(folder / "workspace"),
        "MESHSEEK_ASSET_SECONDS": str(SECONDS),
        "MESHSEEK_ASSET_MEMORY": str(MEGABYTES),
    }
    faults = []
    for command in (
        ["import", "folder", str(folder / "library" / "model")],
        ["render", "--views", "1", "--size", "64"],
        ["embed"],
        ["publish"],
        ["search", "square"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "meshseek", *command], env=environment, capture_output=True, text=True, check=False
        )
        print(f"\nmeshseek {command[0]}: exit {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-500:]}", flush=True)
        if done.returncode or "Traceback" in done.stderr:
            faults.append(f"meshseek {command[0]} ended with {done.returncode}")
    return faults


def _over_http(workspace: Path) -> list[str]:
    """Every route of every asset that is published, and every picture."""
    states: Counter[int] = Counter()
    faults = []
    meshseek = Meshseek(read_settings(workspace=workspace))
    with TestClient(create_app(meshseek), base_url="http://127.0.0.1", raise_server_exceptions=False) as api:
        while api.get("/health").status_code != 200:
            time.sleep(0.2)
        addresses = [
            f"/assets/{quote(asset.asset_id)}{route}" for asset in meshseek.workspace.assets() for route in ROUTES
        ]
        answers = [(address, api.get(address).status_code) for address in addresses]
        answers += [(case.name, _uploaded(api, case)) for case in corpus() if case.kind == "picture"]
    for what, state in answers:
        states[state] += 1
        if state >= 500:
            faults.append(f"{what}: HTTP {state}")
    print("\nAPI:", ", ".join(f"{count} x {state}" for state, count in sorted(states.items())))
    return faults


def _uploaded(api: TestClient, case: Hostile) -> int:
    data = next(iter(case.files.values())) or b""
    return api.post("/search/image", files={"file": ("a.png", data, "image/png")}, data={"top_k": "1"}).status_code


if __name__ == "__main__":
    sys.exit(main())
