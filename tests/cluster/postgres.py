"""PostgreSQL servers as their owners run them: a primary, and replicas that stream from it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from meshseek.store.embedded import root_place
from meshseek.store.embedded.account import Account
from meshseek.store.embedded.binaries import programs

SECONDS = 60
SETTINGS = {
    "listen_addresses": "127.0.0.1",
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
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"postgresql://meshseek@127.0.0.1:{self.port}/postgres"

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / f"data-{self.port}"

    def make(self) -> None:
        """Make an empty cluster."""
        access = ["--auth=trust", "--username=meshseek", "--no-instructions", "--no-sync"]
        _run("initdb", f"--pgdata={self.data}", "--encoding=UTF8", "--locale=C", *access)

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

    def start_by(self, script: Path, primary: Node, password: str) -> None:
        """Start it as a container of a replica does; it answers once it has copied the primary."""
        environment = {
            "PATH": f"{Path(_program('postgres')).parent}:/usr/bin:/bin",
            "PGDATA": str(self.data),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(primary.port),
            "PGUSER": "meshseek",
            "PGPASSWORD": password,
        }
        self._begin(["sh", str(script), f"replica_{self.port}", *self._options()], environment)

    def _options(self) -> list[str]:
        settings = {**SETTINGS, "port": self.port, "unix_socket_directories": self.folder}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _begin(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        with (self.folder / f"log-{self.port}").open("ab") as log:
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

    def _to_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        for each in (process, *process.children(recursive=True)):
            each.send_signal(number)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(SECONDS)
            self._process = None


def place_for_nodes() -> Path:
    """A folder that servers may write into."""
    folder = Path(tempfile.mkdtemp(prefix="meshseek-nodes-", dir="/tmp"))
    account = Account.of_server()
    os.chown(folder, account.uid, account.gid)
    return folder


def remove(folder: Path) -> None:
    """Remove it and all that servers wrote."""
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
