"""A service that is told to stop: over a real process, with a search that hangs in the database."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.toy_service import serving_toys

from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace

SEARCH = {"query": "chair", "algorithm": "toy"}


def eventually(condition: Callable[[], bool], log: Path) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


class Service:
    """A service of toys with a search under way."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process, self.url, self.log = process, url, log

    def ready(self) -> tuple[int, str]:
        """What it says of itself; status 0 where it takes no connection."""
        try:
            answer = httpx.get(f"{self.url}/ready", timeout=30)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.json()["status"]

    def wait(self, status: int, word: str) -> None:
        """Until it says so."""
        eventually(lambda: self.ready() == (status, word), self.log)


Held = tuple[Service, Future[httpx.Response], Callable[[], None]]


@pytest.fixture
def held(
    published_toys: Workspace, server: Server, conninfo: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Held]:
    """A service, a search that hangs in it, and what lets the search go on."""
    prefix = server.database_name("").removesuffix("_embeddings")
    log = tmp_path / "log"
    settings = {"workspace": published_toys.folder, "database_url": conninfo, "database_prefix": prefix}
    with ThreadPoolExecutor(1) as threads, server.connect("toy") as lock:
        with serving_toys(log, **settings, log_format="json", **request.param) as (process, url):
            service = Service(process, url, log)
            service.wait(200, "ready")
            lock.autocommit = False
            lock.execute(b"LOCK TABLE live.text_embeddings IN ACCESS EXCLUSIVE MODE")
            answer = threads.submit(httpx.post, f"{url}/search/text", json=SEARCH, timeout=60)
            both = "\nmeshseek_requests_in_progress 2.0\n"  # the search, and who asks for this
            eventually(lambda: both in httpx.get(f"{url}/metrics", timeout=30).text, log)
            yield service, answer, lock.rollback
        lock.rollback()


@pytest.mark.parametrize("held", [{"drain_seconds": 1}], indirect=True)
def test_what_was_taken_is_finished(held: Held, server: Server) -> None:
    """On SIGTERM it says that it is not ready, then takes no more; a slow search gets its answer; the status is 0."""
    service, answer, let_go = held
    service.process.send_signal(signal.SIGTERM)

    service.wait(503, "stopping")
    assert httpx.get(f"{service.url}/live", timeout=30).json() == {"status": "live"}
    service.wait(0, "")
    assert not answer.done()
    let_go()

    assert len(answer.result().json()["results"]) == 10
    assert service.process.wait(30) == 0, service.log.read_text()
    with server.connect("toy") as connection:
        here = b"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        assert connection.execute(here).fetchall() == [(2,)]  # both are this test's
    told = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    assert [line["route"] for line in told if line.get("algorithm")] == ["/search/text"]
    assert any(line["message"].startswith("told to stop: not ready from now on") for line in told)
    assert not any(line["level"] == "ERROR" for line in told), told


@pytest.mark.parametrize("held", [{"drain_seconds": 0, "stop_seconds": 1, "closing_seconds": 1}], indirect=True)
def test_what_never_ends_is_left(held: Held) -> None:
    """A search that hangs does not keep the process: it ends in bounded time, with a status that says so."""
    service, answer, let_go = held
    service.process.send_signal(signal.SIGTERM)

    assert service.process.wait(30) == 1
    assert "the process ends without it" in service.log.read_text()
    let_go()
    assert (answer.result().status_code, answer.result().json()["error"]["code"]) == (503, "stopping")
