"""A database that is away, comes back, does not answer, or is of the wrong version."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.toy import embed_toys, import_toys, publish_toys, toy_algorithm
from tests.waiting import eventually

from meshseek.errors import DatabaseDownError, DatabaseError, DatabaseVersionError, NotPublishedError
from meshseek.search.algorithm import Algorithm
from meshseek.search.query import Query
from meshseek.store import postgres
from meshseek.store.embedded.cluster import processes
from meshseek.store.embedded.locks import Notice
from meshseek.store.embedded.server import EmbeddedServer
from meshseek.store.pgvector import check_pgvector
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.workspace.workspace import Workspace

CHAIR = Query(text="chair")
SOON = 8.0
"""Seconds in which every request must have ended, for better or for worse."""


class Cable:
    """A TCP port in front of a server's socket, that can be pulled out and put in again."""

    def __init__(self, conninfo: str) -> None:
        parts = psycopg.conninfo.conninfo_to_dict(conninfo)
        self._target = f"{parts['host']}/.s.PGSQL.{parts['port']}"
        self._open: list[socket.socket] = []
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._listener: socket.socket | None = None
        self.swallows = False
        """Takes what is sent, and passes nothing on: neither side learns of it."""

    def plug_in(self) -> None:
        """Let clients through."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def pull_out(self) -> None:
        """Cut all connections and refuse new ones."""
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self._listener = None
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._open += [client, server]
                threading.Thread(target=self._carry, args=[client, server], daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with one, other, selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            selector.register(one, selectors.EVENT_READ, other)
            selector.register(other, selectors.EVENT_READ, one)
            while True:
                for key, _ in selector.select():
                    content = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not content:
                        return
                    if not self.swallows:
                        key.data.sendall(content)


@pytest.fixture
def cable(conninfo: str) -> Iterator[Cable]:
    """A cable to the session's server that is plugged in."""
    made = Cable(conninfo)
    made.plug_in()
    yield made
    made.pull_out()


@pytest.fixture
def algorithm(published_toys: Workspace, server: Server, cable: Cable) -> Iterator[Algorithm]:
    """The published toys at the other end of the cable."""
    remote = f"host=127.0.0.1 port={cable.port} user=meshseek dbname=postgres"
    opened = toy_algorithm(Server(lambda: remote, server.database_name("").removesuffix("_embeddings")))
    yield opened
    opened.library.close()


def answers(algorithm: Algorithm) -> bool:
    """Whether a query is answered now."""
    try:
        return len(algorithm.search(CHAIR).hits) == 10
    except DatabaseDownError:
        return False


def fails_soon(ask: Callable[[], object]) -> None:
    """It says that the database cannot be reached, in one line, and without a long wait."""
    began = time.monotonic()
    with pytest.raises(DatabaseDownError) as caught:
        ask()
    assert time.monotonic() - began < SOON
    assert "\n" not in str(caught.value)


def test_away_and_back_again(algorithm: Algorithm, cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches fail within seconds while it is away, more than once, and work again by themselves."""
    monkeypatch.setattr(postgres, "POOL_SECONDS", 0.3)
    assert answers(algorithm)
    for _ in range(2):
        cable.pull_out()
        for _ in range(3):
            fails_soon(lambda: algorithm.search(CHAIR))
        assert "cannot be reached" in algorithm.health()
        cable.plug_in()
        eventually(lambda: answers(algorithm), seconds=10)
        assert algorithm.health() == "ready"


def test_a_database_that_falls_silent(
    published_toys: Workspace, server: Server, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that swallows all, like a server that is stopped, ends a search in time; later all is well again."""
    monkeypatch.setattr(postgres, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(postgres, "POOL_SECONDS", 0.3)
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 2)
    remote = f"host=127.0.0.1 port={cable.port} user=meshseek dbname=postgres"
    algorithm = toy_algorithm(Server(lambda: remote, server.database_name("").removesuffix("_embeddings"), 0.2))
    eventually(lambda: answers(algorithm))
    cable.swallows = True
    for _ in range(3):
        fails_soon(lambda: algorithm.search(CHAIR))
        fails_soon(lambda: algorithm.library.asset("toys/000"))
    cable.swallows = False
    eventually(lambda: answers(algorithm))
    algorithm.library.close()


def test_away_at_the_start(algorithm: Algorithm, cable: Cable) -> None:
    """What could not be warmed up at the start is ready soon after the database is, without a search."""
    cable.pull_out()
    algorithm.warm_up()
    fails_soon(lambda: algorithm.search(CHAIR))
    assert "cannot be reached" in algorithm.health()

    cable.plug_in()
    eventually(lambda: algorithm.health() == "ready", seconds=10)


def test_published_after_the_start(toys: Workspace, server: Server) -> None:
    """Health follows a first publication by another process without a search or a restart."""
    algorithm = toy_algorithm(server)
    algorithm.warm_up()
    assert "run 'meshseek publish" in algorithm.health()
    publish_toys(toys, server)
    eventually(lambda: algorithm.health() == "ready", seconds=10)
    algorithm.library.close()


def test_connections_that_were_cut_are_replaced(algorithm: Algorithm, conninfo: str) -> None:
    """A server that closed its connections, as in a restart, costs no failed search."""
    assert answers(algorithm)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE '%toy_embeddings'"
        )
    assert answers(algorithm)


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many requests at once fail side by side, not one after the other."""
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        remote = f"host=127.0.0.1 port={silent.getsockname()[1]} user=meshseek"
        library = Library(Server(lambda: remote), "toy")
        seconds: list[float] = []

        def ask() -> None:
            began = time.monotonic()
            with pytest.raises(DatabaseDownError):
                library.published()
            seconds.append(time.monotonic() - began)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seconds) == 6
    assert max(seconds) < SOON


def test_the_embedded_server_is_killed(tmp_path: Path) -> None:
    """Kill -9 of every process of PostgreSQL: the next search brings it back, with all that was published."""
    workspace = Workspace(tmp_path)
    import_toys(workspace)
    embed_toys(workspace)
    with EmbeddedServer(tmp_path) as embedded:
        server = Server(embedded.acquire)
        publish_toys(workspace, server)
        algorithm = toy_algorithm(server)
        before = algorithm.search(CHAIR).hits
        notice = Notice.read(tmp_path / "database")
        assert notice
        for number in processes(Path(notice.data)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        eventually(lambda: answers(algorithm))
        assert algorithm.search(CHAIR).hits == before
        algorithm.library.close()
    shutil.rmtree(tmp_path / "database", ignore_errors=True)


@pytest.mark.parametrize("make", [False, True])
def test_nothing_published(server: Server, make: bool) -> None:  # noqa: FBT001
    """Without a database, and in an empty one, the command that is missing is named."""
    if make:
        server.create_database("toy")
    with pytest.raises(NotPublishedError, match="run 'meshseek publish"):
        toy_algorithm(server).search(CHAIR)


def test_a_wrong_address_is_one_line() -> None:
    """A name that cannot be resolved, a bad URL and a wrong user are errors of ours with the setting's name."""
    for address in ("postgresql://no-such-host.invalid/x", "postgresql://[hunter2", "host=/nowhere", "hunter2=1"):
        server = Server(lambda address=address: address)  # type: ignore[misc]
        for ask in (lambda server: Library(server, "toy").published(), lambda server: server.create_database("toy")):
            with pytest.raises(DatabaseError, match=r"^[^\n]*MESHSEEK_DATABASE_URL[^\n]*$") as caught:
                ask(server)
            assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("0.8.4", True),
        ("0.8.10", True),
        ("0.10.0", True),
        ("1.0", True),
        ("0.8.3", False),
        ("0.7.9", False),
        (None, False),
    ],
)
def test_pgvector_must_not_lose_data(conninfo: str, version: str | None, fits: bool) -> None:  # noqa: FBT001
    """Versions are compared as numbers; one that is too old or missing is named with the cure."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("CREATE TEMPORARY TABLE pg_extension (extname text, extversion text)")
        connection.execute("SET search_path = pg_temp, pg_catalog")
        if version:
            connection.execute("INSERT INTO pg_extension VALUES ('vector', %s)", [version])
        if fits:
            check_pgvector(connection)
        else:
            with pytest.raises(DatabaseVersionError, match=f"pgvector {version or 'none'}, .*install 0.8.4 or newer"):
                check_pgvector(connection)
        connection.rollback()
