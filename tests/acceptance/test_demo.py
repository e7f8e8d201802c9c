"""The demo from nothing to an answer, interrupted in every stage, on a machine without apt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.conftest import free_port, wait_until_ready
from tests.recorder import Recorder

ASSETS = 6
SECONDS = 240


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """Refuses and writes down what is asked of other machines."""
    return Recorder(tmp_path_factory.mktemp("recorder"))


@pytest.fixture(scope="module")
def no_apt(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> dict[str, str]:
    """An environment whose path has no apt-get, so that the demo makes its own assets; with no other machines."""
    return {**os.environ, **recorder.environment(), "PATH": str(tmp_path_factory.mktemp("bin"))}


def command(workspace: Path, *options: str) -> list[str]:
    """The demo's command line."""
    arguments = ["--workspace", str(workspace), "--assets", str(ASSETS), *options]
    return [sys.executable, "-m", "meshseek", "demo", *arguments]


def status(workspace: Path, environment: dict[str, str]) -> dict[str, Any]:
    """What is in a workspace."""
    line = [sys.executable, "-m", "meshseek", "status", "--json", "--workspace", str(workspace)]
    value: dict[str, Any] = json.loads(subprocess.run(line, env=environment, capture_output=True, check=True).stdout)
    del value["workspace"], value["published"]["lite"]["published_at"]
    return value


def processes(workspace: Path) -> list[psutil.Process]:
    """Processes that have to do with a workspace."""
    every = psutil.process_iter(["cmdline"])
    return [process for process in every if str(workspace) in " ".join(process.info["cmdline"] or ())]


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _has(workspace: Path, pattern: str) -> bool:
    try:
        return any(workspace.glob(pattern))
    except FileNotFoundError:  # a folder that was renamed while it was searched
        return False


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, no_apt: dict[str, str]) -> Path:
    """The workspace of a demo that nothing disturbed."""
    workspace = tmp_path_factory.mktemp("whole") / "a workspace"
    subprocess.run(command(workspace, "--once"), env=no_apt, check=True, capture_output=True, timeout=SECONDS)
    return workspace


def test_killed_and_run_again(tmp_path: Path, whole: Path, no_apt: dict[str, str]) -> None:
    """Killed by -9 while it renders and while it publishes, the demo ends with the counts of one run."""
    workspace = tmp_path / "interrupted"
    for sign in ("views/**/00007.json", "vectors/lite/appearance/manifest.json"):
        with subprocess.Popen(command(workspace, "--once"), env=no_apt, stderr=subprocess.DEVNULL) as child:
            wait_for(partial(_has, workspace, sign))
            assert child.poll() is None
            child.kill()

    subprocess.run(command(workspace, "--once"), env=no_apt, check=True, capture_output=True, timeout=SECONDS)

    expected = status(whole, no_apt)
    assert status(workspace, no_apt) == expected
    assert expected["stages"] == {"imported": ASSETS, "rendered": ASSETS, "chinese captions": ASSETS}
    assert expected["vectors"]["lite"]["appearance"] == expected["published"]["lite"]["views"] == 8 * ASSETS
    assert not list((workspace / "views").rglob("*.tmp"))
    wait_for(lambda: processes(tmp_path) == [])


@contextmanager
def serving_demo(
    workspace: Path, environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], list[str], str]]:
    """Run the demo until it serves; the value is the process, what it printed, and the API's address."""
    api, ui = free_port(), free_port()
    line = command(workspace, "--api-port", str(api), "--ui-port", str(ui))
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        printed: list[str] = []
        for text in child.stdout:
            printed.append(text)
            if text.startswith("stop with"):
                break
        try:
            yield child, printed, f"http://127.0.0.1:{api}"
        finally:
            child.kill()


def test_serves_and_stops(whole: Path, no_apt: dict[str, str], recorder: Recorder) -> None:
    """The demo shows searches and two addresses that answer; Ctrl-C stops everything; nobody else was asked for it."""
    with serving_demo(whole, no_apt) as (child, printed, url):
        assert "wooden chair" in printed[1]
        addresses = [word for text in printed for word in text.split() if word.startswith("http")]
        wait_until_ready(url)
        assert [httpx.get(address).status_code for address in addresses] == [200, 200]
        answer = httpx.post(f"{url}/search/text", json={"query": "沙发"}, timeout=60)
        assert answer.json()["results"]
        line = [sys.executable, "-m", "meshseek", "search", "wooden chair", "--workspace", str(whole)]
        assert subprocess.run(line, env=no_apt, capture_output=True, check=True).stdout
        child.send_signal(signal.SIGINT)
        child.wait(timeout=30)
        _, errors = child.communicate()

    assert "Traceback" not in errors
    wait_for(lambda: processes(whole) == [])
    started = recorder.started()
    for program in ("meshseek demo", "meshseek search", "meshseek.interfaces.ui"):
        assert any(program in line for line in started), program
    assert recorder.asked() == []


def test_what_is_asked_of_others_is_recorded(tmp_path: Path) -> None:
    """The recorder sees a name that is looked up and an address that is connected to, also in a program's program."""
    recorder = Recorder(tmp_path)
    asking = (
        "import contextlib, socket, urllib.request as r\n"
        "for ask in (lambda: r.urlopen('http://telemetry.test'), lambda: r.urlopen('http://192.0.2.1')):\n"
        "    with contextlib.suppress(OSError):\n"
        "        ask()\n"
        "    with contextlib.suppress(OSError):\n"
        "        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('192.0.2.2', 9))\n"
        "    with contextlib.suppress(ConnectionRefusedError):\n"
        "        socket.create_connection(('127.0.0.1', 9))\n"
    )
    starting = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {asking!r}], check=True)"
    subprocess.run([sys.executable, "-c", starting], env={**os.environ, **recorder.environment()}, check=True)

    assert [what for what, _ in recorder.asked()] == ["telemetry.test", "192.0.2.2:9", "192.0.2.1:80", "192.0.2.2:9"]


def test_killed_while_serving(whole: Path, no_apt: dict[str, str]) -> None:
    """Killed by -9 while it serves, the demo leaves no process behind."""
    with serving_demo(whole, no_apt) as (child, _, _):
        child.kill()
        child.wait()

        wait_for(lambda: processes(whole) == [])
