"""Fixtures on real parts: one PostgreSQL for the whole session, a toy library, and a served library of models."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from meshseek.bootstrap import Meshseek
from meshseek.settings import PREFIX, read_settings
from meshseek.store.embedded.server import EmbeddedServer
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace
from tests.sample_library import make_library
from tests.toy import embed_toys, import_toys, publish_toys

START_SECONDS = 120
MEMORY, IN_MEMORY = Path("/dev/shm"), "meshseek-tests-"
ROOMY = 4 << 30
"""Bytes that are free for two processes that run tests at a time, since both ask before either has used any."""
SLOW_FIRST = ("docs", "acceptance", "integration", "contract", "unit")
"""In this order short files are left for the end, where they fill what the last long one leaves to other workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedLibrary:
    """A small library that was imported, rendered, embedded with ``lite`` and published."""

    folder: Path
    """The workspace."""
    environment: dict[str, str]
    """Settings that make any process of ours use it."""
    asset_ids: tuple[str, ...]

    def opened(self, **settings: str) -> Meshseek:
        """All that this process needs to serve it."""
        given = {name.removeprefix(PREFIX).lower(): value for name, value in self.environment.items()}
        return Meshseek(read_settings(**given, **settings))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the folders; within each the order stays."""
    folders = {name: number for number, name in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: folders.get(item.path.relative_to(Path(__file__).parent).parts[0], 0))


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Keep the developer's own settings out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MESHSEEK_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Leave writing to the disk to the system: that matters after a power cut, which no test makes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def conninfo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the session's PostgreSQL is, as libpq understands it."""
    folder = tmp_path_factory.mktemp("server")
    with _folder_in_memory() as memory, EmbeddedServer(folder) as embedded:
        conninfo = embedded.acquire()
        _wait_for_no_disk(conninfo)
        if memory is not None:
            _put_databases_into(memory, conninfo)
        _have_extensions(conninfo)
        yield conninfo
    shutil.rmtree(folder, ignore_errors=True)


def _wait_for_no_disk(conninfo: str) -> None:
    """Let the server leave writing to the disk to the system; one that is killed loses nothing by that."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.execute("SELECT pg_reload_conf()")


@contextlib.contextmanager
def _folder_in_memory() -> Iterator[Path | None]:
    """A folder that lies in memory where it is roomy; those that killed processes left are removed first."""
    for left in MEMORY.glob(f"{IN_MEMORY}*"):
        process = left.name.removeprefix(IN_MEMORY)
        if process.isdecimal() and not Path("/proc", process).exists():
            shutil.rmtree(left, ignore_errors=True)
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOMY:
        yield None
        return
    folder = MEMORY / f"{IN_MEMORY}{os.getpid()}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_databases_into(folder: Path, conninfo: str) -> None:
    """Let new databases lie there: on a disk, the 300 files of each take longer than its use."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        owner = Path(row[0]).stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        connection.execute(sql.SQL("CREATE TABLESPACE memory LOCATION {}").format(str(folder)))
        connection.execute("ALTER DATABASE template1 SET TABLESPACE memory")


def _have_extensions(conninfo: str) -> None:
    """Let new databases begin with what each publication asks for: to make it takes longer than to copy it.

    Where a server has none of it yet is tested on those that tests start for themselves.
    """
    with psycopg.connect(make_conninfo(conninfo, dbname="template1"), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE EXTENSION pg_prewarm SCHEMA public")


@pytest.fixture
def server(conninfo: str) -> Iterator[Server]:
    """The session's PostgreSQL with database names of this test only."""
    prefix = f"test_{uuid4().hex[:12]}_"
    yield Server(lambda: conninfo, prefix)
    drop_databases(conninfo, prefix)


@pytest.fixture
def elsewhere(conninfo: str) -> Iterator[Server]:
    """Databases of this test only, with no tables, as on another machine; the extensions are there already."""
    prefix = f"other_{uuid4().hex[:12]}_"
    yield Server(lambda: conninfo, prefix)
    drop_databases(conninfo, prefix)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def toys(workspace: Workspace) -> Workspace:
    """A workspace with 40 toy assets, imported and embedded."""
    import_toys(workspace)
    embed_toys(workspace)
    return workspace


@pytest.fixture
def published_toys(toys: Workspace, server: Server) -> Workspace:
    """The toy assets, published as algorithm ``toy``."""
    publish_toys(toys, server)
    return toys


@pytest.fixture(scope="session")
def library(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedLibrary]:
    """A small real library that every process of ours can search with ``lite``; to be read only."""
    folder = tmp_path_factory.mktemp("library")
    prefix = f"library_{uuid4().hex[:12]}_"
    asset_ids = make_library(Workspace(folder), Server(lambda: conninfo, prefix), tmp_path_factory.mktemp("models"))
    environment = {
        "MESHSEEK_WORKSPACE": str(folder),
        "MESHSEEK_DATABASE_URL": conninfo,
        "MESHSEEK_DATABASE_PREFIX": prefix,
    }
    yield ServedLibrary(folder=folder, environment=environment, asset_ids=tuple(asset_ids))
    drop_databases(conninfo, prefix)


@pytest.fixture(scope="session")
def api_url(library: ServedLibrary, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running API over the small real library."""
    with serving(library.environment, tmp_path_factory.mktemp("api") / "log") as url:
        wait_until_ready(url)
        yield url


@contextlib.contextmanager
def serving(environment: dict[str, str], log: Path) -> Iterator[str]:
    """Run the API as a process of its own; the value is its address."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "meshseek.interfaces.http:create_app"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--log-level", "warning"],
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until_it_listens(f"{url}/health", process, log)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def until_it_listens(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process answers at its address.

    Args:
        url: Where it is asked; whatever the state of the answer is.
        process: It must not end meanwhile.
        log: What it says.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url, timeout=30)
            return
        time.sleep(0.1)


def wait_until_ready(url: str) -> None:
    """Wait until the API says that it can answer queries."""
    deadline = time.monotonic() + START_SECONDS
    while (answer := httpx.get(f"{url}/health", timeout=30)).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def drop_databases(conninfo: str, prefix: str) -> None:
    """Remove the databases whose names begin with the prefix."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
        for (name,) in rows.fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
