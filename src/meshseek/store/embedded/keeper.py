"""The keeper: a small process that starts an embedded server for its clients and stops it when the last one is gone.

Run as ``python -m meshseek.store.embedded.keeper HOME``. It prepares everything, says on standard error what went
wrong, then leaves a child behind that keeps the server. Exit status: 0 the server starts, 1 it failed, 3 another keeper
is at work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from meshseek.errors import DatabaseDownError
from meshseek.store.embedded import root_place as place
from meshseek.store.embedded.cluster import Cluster, prepare, processes
from meshseek.store.embedded.locks import (
    HOLDERS_LOCK,
    LOG,
    SERVER_LOCK,
    FileLock,
    Notice,
    identity,
    is_detached,
    unusable,
)

ALREADY_KEPT = 3

_POLL_SECONDS = 0.2
_LOCK_SECONDS = 1.0
"""Clients look at the lock by taking it for a moment."""
_STOP_SECONDS = 300.0
_LARGEST_LOG = 64 * 1024 * 1024


class Keeper:
    """Keeps one server.

    Args:
        home: The ``database`` folder of the workspace.
        cluster: The prepared cluster.
        notice: What clients are told.
        log: The open log file.
    """

    def __init__(self, home: Path, cluster: Cluster, notice: Notice, log: int) -> None:
        self._home = home
        self._cluster = cluster
        self._notice = notice
        self._log = log
        self._holders = FileLock(home / HOLDERS_LOCK)
        self._told_to_stop = False

    def keep(self) -> None:
        """Run the server until nobody holds it, it ends, we are told to stop, or the workspace is removed.

        Raises:
            DatabaseDownError: The server cannot be run.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            server = self._cluster.serve(Path(self._notice.socket_folder), self._log)
            if sys.platform != "linux":
                _guard(server.pid, self._cluster.data)
            while server.poll() is None and not self._should_stop():
                self._trim_log()
                time.sleep(_POLL_SECONDS)
            _stop(server)
        finally:
            self._notice.withdraw(self._home)
        self._leave_nothing_behind()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._told_to_stop = True

    def _should_stop(self) -> bool:
        if self._told_to_stop or not self._cluster.locks[0].names_its_file():
            return True
        if not self._holders.take():
            return False
        if is_detached(self._home):
            self._holders.unlock()
            return False
        return True  # the lock is kept: newcomers wait until this server is gone and start another

    def _trim_log(self) -> None:
        if os.fstat(self._log).st_size > _LARGEST_LOG:
            os.ftruncate(self._log, 0)

    def _leave_nothing_behind(self) -> None:
        if self._cluster.account.switched and not self._cluster.locks[0].names_its_file():
            self._cluster.locks[1].release()
            with place.opened():
                place.remove_abandoned()


def launch(home: Path) -> None:
    """Prepare the cluster and leave a keeper behind.

    Raises:
        DatabaseDownError: The cluster cannot be prepared.
        OSError: A file cannot be written.
    """
    lock = FileLock(home / SERVER_LOCK)
    deadline = time.monotonic() + _LOCK_SECONDS
    while not lock.take():
        if time.monotonic() > deadline:
            sys.exit(ALREADY_KEPT)
        time.sleep(0.01)
    former = Notice.read(home)
    if former:
        former.withdraw(home)
    log = os.open(home / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    cluster = prepare(home, lock, log)
    notice = Notice(str(cluster.make_socket_folder()), cluster.account.uid, str(cluster.data), identity(home))
    notice.write(home)
    keeper = Keeper(home, cluster, notice, log)
    if os.fork():
        os._exit(0)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    keeper.keep()


def main() -> None:
    """Launch a keeper for the folder on the command line; failures are one line on standard error."""
    home = Path(sys.argv[1])
    os.umask(0o077)
    try:
        launch(home)
    except DatabaseDownError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(str(unusable(Path(error.filename2 or error.filename or home), error)))


def _stop(server: subprocess.Popen[bytes]) -> None:
    # Politely, with a checkpoint; if that hangs, at once: the next start then recovers.
    for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 30.0), (signal.SIGKILL, None)):
        if server.poll() is not None:
            return
        server.send_signal(number)
        try:
            server.wait(seconds)
        except subprocess.TimeoutExpired:
            continue


def _guard(server: int, data: Path) -> None:
    # Where the kernel cannot signal orphans, a second process waits for the keeper's end of a pipe to close.
    reader, writer = os.pipe()
    if os.fork():
        os.close(reader)
        return
    os.close(writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.read(reader, 1)
    if server in processes(data):
        os.kill(server, signal.SIGINT)
    os._exit(0)


if __name__ == "__main__":
    main()
