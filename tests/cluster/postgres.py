"""PostgreSQL servers as their owners run them: a primary, and replicas that stream from it."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from meshseek.store.embedded import root_place
from meshseek.store.embedded.account import Account
from meshseek.store.embedded.binaries import programs

SECONDS = 60
SETTINGS = {
    "max_connections": "60",
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "max_wal_senders": "8",
    "hot_standby": "on",
    "hot_standby_feedback": "on",
    "max_standby_streaming_delay": "2s",
    "fsync": "off",
    "jit": "off",
}


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Node:
    """One server, which may be killed and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    address: str = "127.0.0.1"
    network: str | None = None
    """The namespace that it runs in, if it is not that of everybody."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"postgresql://meshseek@{self.address}:{self.port}/postgres"

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / f"data-{self.port}"

    def make(self) -> None:
        """Make an empty cluster."""
        access = ["--auth=trust", "--username=meshseek", "--no-instructions", "--no-sync"]
        _run("initdb", f"--pgdata={self.data}", "--encoding=UTF8", "--locale=C", *access)

    def open_to(self, network: str) -> None:
        """Let anybody in it in; those who copy this one do so too."""
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.writelines(f"host {what} all {network} trust\n" for what in ("all", "replication"))

    def follow(self, primary: Node) -> None:
        """Copy a primary, and stream from it from then on."""
        _run("pg_basebackup", "-d", primary.url, "-D", str(self.data), "-R", "-X", "stream", "-c", "fast", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._begin([_program("postgres"), "-D", str(self.data), *self._options()])
        until = time.monotonic() + SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def promote(self) -> None:
        """Let it take writes from now on."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def follow_now(self, primary: Node) -> None:
        """Stream from another one than before."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            setting = f"host={primary.address} port={primary.port} user=meshseek"
            connection.execute(sql.SQL("ALTER SYSTEM SET primary_conninfo = {}").format(setting))
            connection.execute("SELECT pg_reload_conf()")

    def start_by(self, script: Path, primary: Node, password: str) -> None:
        """Start it as a container of a replica does; it answers once it has copied the primary."""
        environment = {
            "PATH": f"{Path(_program('postgres')).parent}:/usr/bin:/bin",
            "PGDATA": str(self.data),
            "PGHOST": primary.address,
            "PGPORT": str(primary.port),
            "PGUSER": "meshseek",
            "PGPASSWORD": password,
        }
        self._begin(["sh", str(script), f"replica_{self.port}", *self._options()], environment)

    def _options(self) -> list[str]:
        places = {"listen_addresses": self.address, "port": self.port, "unix_socket_directories": self.folder}
        return [part for name, value in (SETTINGS | places).items() for part in ("-c", f"{name}={value}")]

    def _begin(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        with (self.folder / f"log-{self.port}").open("ab") as log, within(self.network):
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", env=environment, **_owner())

    def kill(self) -> None:
        """As when the machine loses its power: no connection hears a word."""
        self._signal(signal.SIGQUIT)

    def stop(self) -> None:
        """As when its owner restarts it."""
        self._signal(signal.SIGINT)

    def pause(self) -> None:
        """As when the network swallows all that it says."""
        self._to_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._to_all(signal.SIGCONT)

    def processes(self) -> list[int]:
        """The numbers of all its processes, the one that starts the others first."""
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        return [each.pid for each in (process, *process.children(recursive=True))]

    def _to_all(self, number: signal.Signals) -> None:
        for each in self.processes():
            os.kill(each, number)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(SECONDS)
            self._process = None


@contextmanager
def within(network: str | None) -> Iterator[None]:
    """Within it this thread, and what it starts, is in a network namespace."""
    if network is None:
        yield
        return
    with Path("/proc/thread-self/ns/net").open() as here, Path("/var/run/netns", network).open() as there:
        _set_namespace(there.fileno())
        try:
            yield
        finally:
            _set_namespace(here.fileno())


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def some_nodes(*, count: int = 3) -> Iterator[list[Node]]:
    """Servers that are yet to be made or to be copied, and are gone afterwards with all that they wrote."""
    folder = Path(tempfile.mkdtemp(prefix="meshseek-nodes-", dir="/tmp"))
    account = Account.of_server()
    os.chown(folder, account.uid, account.gid)
    nodes = [Node(folder) for _ in range(count)]
    try:
        yield nodes
    finally:
        for node in nodes:
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _owner() -> dict[str, Any]:
    account = Account.of_server()
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account.switched else {}


def _program(name: str) -> str:
    if not Account.of_server().switched:
        return str(programs() / "bin" / name)
    with root_place.opened():
        return str(root_place.copied_programs(programs()) / "bin" / name)


def _run(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [_program(name), *arguments], capture_output=True, text=True, cwd="/", check=False, **_owner()
    )
    assert done.returncode == 0, done.stderr
