"""Processes that work on assets: none takes longer or more memory than agreed, and none takes others with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

from meshseek.errors import ServiceError
from meshseek.pipeline.stage import Outcome, Task
from meshseek.pipeline.workers import LEAST_MEMORY, Workers, in_processes, machine_memory
from meshseek.untrusted.pictures import TEXTURES

MB = 1 << 20


def task(name: str, payload: str = "") -> Task[str]:
    """One asset's work, told by its payload."""
    return Task(asset_id=name, fingerprint="1", payload=payload)


def act(item: Task[str]) -> Outcome:
    """What the payload says."""
    what, _, detail = item.payload.partition(" ")
    if what == "loop":
        for _ in count():
            pass
    if what == "take":
        taken = bytearray(b"1") * (int(detail) * MB)
        while len(taken) > 600 * MB:
            pass  # until somebody notices
    if what == "signal":
        os.kill(os.getpid(), int(detail))
    if what == "once":  # dies only when it is done for the first time
        marker = Path(detail)
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if what == "raise":
        raise RuntimeError(detail)
    if what == "formats":
        return Outcome(asset_id=item.asset_id, rows=[{"formats": sorted(Image.OPEN), "ids": sorted(Image.ID)}])
    return Outcome(asset_id=item.asset_id, rows=[{"pid": os.getpid()}])


def outcomes(*tasks: Task[str], workers: Workers) -> Iterator[Outcome]:
    """Of the tasks, in order."""
    return iter(in_processes(workers, act)(tasks))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Good and bad assets side by side: every process that dies takes a second to be replaced, so all in one go."""
    marker = tmp_path_factory.mktemp("once") / "marker"
    payloads = {
        "a": "",
        "endless": "loop",
        "large": "take 900",
        "absurd": "take 90000",
        "less": "take 300",
        "crash": f"signal {int(signal.SIGSEGV)}",
        "innocent": f"once {marker}",
        "formats": "formats",
        "last": "",
    }
    tasks = [task(name, payload) for name, payload in payloads.items()]
    bounds = Workers(2, seconds=4, memory=600 * MB)
    return {outcome.asset_id: outcome for outcome in outcomes(*tasks, workers=bounds)}


def test_bad_assets_cost_no_others(done: dict[str, Outcome]) -> None:
    """All are there, in order; the good ones are done, and so is one whose process was killed for another's fault."""
    assert list(done) == ["a", "endless", "large", "absurd", "less", "crash", "innocent", "formats", "last"]
    assert [name for name, outcome in done.items() if outcome.skipped] == ["endless", "large", "absurd", "crash"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("endless", "it took longer than 4 seconds; reduce it, or raise MESHSEEK_ASSET_SECONDS"),
        ("large", "it needs more than 629 MB of memory; reduce it, or raise MESHSEEK_ASSET_MEMORY"),
        ("absurd", "it needs more than 629 MB of memory; reduce it, or raise MESHSEEK_ASSET_MEMORY"),
        ("crash", "its process was killed, by a crash or for want of memory"),
    ],
)
def test_each_says_what_it_died_of(done: dict[str, Outcome], name: str, reason: str) -> None:
    """Too much time, too much memory, and what nobody can tell."""
    assert done[name].skipped == reason


def test_a_process_opens_no_other_pictures(done: dict[str, Outcome]) -> None:
    """Whoever asks Pillow there, with a list of formats or without one: EPS, for one, starts a program."""
    (row,) = done["formats"].rows
    assert row["formats"] == row["ids"] == sorted(TEXTURES)


def test_what_the_work_raises_ends_it_and_says_where() -> None:
    """It is raised here, with the lines of the process that raised it."""
    with pytest.raises(RuntimeError, match="boom") as caught:
        list(outcomes(task("a"), task("b", "raise boom"), workers=Workers(1)))
    assert "in act" in caught.value.__notes__[0]


def test_work_that_nobody_waits_for_ends_at_once() -> None:
    """Whoever stops taking outcomes leaves no process behind, not even an endless one."""
    results = outcomes(task("a"), task("endless", "loop"), task("b"), workers=Workers(1))
    pid = next(results).rows[0]["pid"]
    results.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_processes_that_cannot_start_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is gone before it is ready is no asset's fault, and is not started for ever."""
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(ServiceError, match="cannot start; free"):
        list(outcomes(task("a"), workers=Workers(1)))


def test_memory_is_shared_evenly() -> None:
    """Three quarters of what there is, but never less than a model needs."""
    assert Workers.of(3) == Workers(3)
    assert Workers(1).bytes_each == max(LEAST_MEMORY, int(0.75 * machine_memory()))
    assert Workers(10_000).bytes_each == LEAST_MEMORY
    assert Workers(4, memory=5).bytes_each == 5


def test_processes_stay_for_what_comes_later() -> None:
    """The same ones work on the next tasks, also after some whose outcomes nobody took; a dead one is replaced."""
    work = in_processes(Workers(1, seconds=20), act, stay=True)
    (first,) = work([task("a")])
    next(iter(work([task("b"), task("c")])))
    (again,) = work([task("d")])
    assert first.rows == again.rows
    (killed,) = work([task("e", f"signal {int(signal.SIGKILL)}")])
    assert killed.skipped is not None
    (last,) = work([task("f")])
    assert last.rows != first.rows
