"""What goes wrong meanwhile: the API and the database are stopped, killed and frozen, connections are cut."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg

from meshseek.bootstrap import Meshseek
from meshseek.pipeline.synthetic import ALGORITHM
from meshseek.settings import PREFIX
from meshseek.store.embedded.cluster import processes
from meshseek.store.embedded.locks import Notice
from tests.soak.clients import Clients
from tests.soak.model import publish_version

MOST_SECONDS = 120.0


class Api:
    """The API as a process of its own, started again when it was ended.

    Args:
        workspace: Its workspace.
        port: Where it listens.
        log: Where its words go.
    """

    def __init__(self, workspace: Path, port: int, log: Path) -> None:
        self._command = [sys.executable, "-m", "meshseek", "serve", "--no-ui", "--api-port", str(port)]
        settings = {
            "WORKSPACE": str(workspace),
            "STATEMENT_SECONDS": "5",
            "RATE_LIMIT": "off",
            "RATE_LIMIT_ADDRESS": "off",
        }
        self._environment = {**os.environ, **{PREFIX + name: value for name, value in settings.items()}}
        self._log = log
        self.url = f"http://127.0.0.1:{port}"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        wait_until(self._is_ready)

    def stop(self) -> None:
        """End it politely."""
        self._process.terminate()
        self._process.wait(MOST_SECONDS)

    def restart(self) -> None:
        """End it politely, and start it again."""
        self.stop()
        self.start()

    def weight(self) -> tuple[float, int]:
        """Its memory in MB, and how many files and connections it has open."""
        process = psutil.Process(self._process.pid)
        return process.memory_info().rss / 1e6, process.num_fds()

    def tracebacks(self) -> int:
        """How many there are in its log."""
        return self._log.read_text(errors="replace").count("Traceback")

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()[-2000:]
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health", timeout=30, trust_env=False).status_code == httpx.codes.OK
        return False


class Faults:
    """Each method makes one fault and returns when what the API needs was back, as :func:`time.monotonic` has it."""

    def __init__(self, meshseek: Meshseek, api: Api, frozen_seconds: float) -> None:
        self._meshseek = meshseek
        self._api = api
        self._frozen_seconds = frozen_seconds
        self.expected: list[tuple[float, float]] = []
        """When the API itself was away."""

    def connections_cut(self) -> float:
        """The database ends every connection."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"
            )
        return time.monotonic()

    def api_restarted(self) -> float:
        """The API is ended with SIGTERM, and started by a supervisor."""
        began = time.monotonic()
        self._api.restart()
        self.expected.append((began, time.monotonic()))
        return time.monotonic()

    def database_restarted(self) -> float:
        """The database ends politely; whoever needs it next starts it."""
        os.kill(self._postmaster, signal.SIGINT)
        return self._back()

    def database_killed(self) -> float:
        """Kill -9 of every process of the database."""
        _signal_each(processes(self._data), signal.SIGKILL)
        return self._back()

    def database_frozen(self) -> float:
        """The database stands still, as in a machine that swaps, and goes on later."""
        frozen = processes(self._data)
        _signal_each(frozen, signal.SIGSTOP)
        time.sleep(self._frozen_seconds)
        _signal_each(frozen, signal.SIGCONT)
        return time.monotonic()

    def published_anew(self) -> float:
        """Another version goes live as a whole."""
        publish_version(self._meshseek, "anew")
        return time.monotonic()

    def published_in_place(self) -> float:
        """The live version is changed."""
        publish_version(self._meshseek, "in place")
        return time.monotonic()

    @property
    def _conninfo(self) -> str:
        return self._meshseek.server.conninfo(ALGORITHM)

    @property
    def _data(self) -> Path:
        notice = Notice.read(self._meshseek.workspace.folder / "database")
        assert notice
        return Path(notice.data)

    @property
    def _postmaster(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _back(self) -> float:
        wait_until(lambda: not self._meshseek.embedded.is_running())
        wait_until(self._meshseek.embedded.is_running)
        return time.monotonic()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + MOST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def asking(clients: Clients) -> Iterator[None]:
    """While clients ask."""
    clients.start()
    try:
        yield
    finally:
        clients.stop()


def _signal_each(numbers: Sequence[int], signal_number: signal.Signals) -> None:
    """Send a signal to processes; those of a database come and go."""
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal_number)
