"""The embedded database server: started when somebody needs it, shared by all who do, gone when nobody does.

Each user of a workspace's server holds a shared lock on a file, which the kernel drops when the process ends, however
it ends. A keeper process (:mod:`meshseek.store.embedded.keeper`) runs the server, and stops it when it gets that lock
for itself.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from meshseek.errors import LOG, DatabaseDownError, DatabaseError, DatabaseTakenError
from meshseek.files import write_whole
from meshseek.store.embedded.binaries import programs
from meshseek.store.embedded.cluster import keeper_exists, processes, refuse_strangers
from meshseek.store.embedded.locks import (
    DETACHED,
    HOLDERS_LOCK,
    PORT,
    SERVER_LOCK,
    START_LOCK,
    FileLock,
    Notice,
    identity,
    is_free,
    last_words,
    unusable,
)

_LOGGER = logging.getLogger(__name__)
_ALREADY_KEPT = 3
_SHORTEST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5
_WORD_SECONDS = 5.0
_UNSEEN_WORDS = 6
_IN_USE_SECONDS = 2.0
_LASTING = f"the database cannot be started before somebody mends what is wrong with it; {LOG}"
"""What strangers are told: that it will not pass by itself."""
_FULL = ("too many clients", "remaining connection slots")

_servers: weakref.WeakSet[EmbeddedServer] = weakref.WeakSet()


def psql_program() -> Path:
    """The ``psql`` that belongs to the embedded server.

    Raises:
        DatabaseDownError: The wheel is not installed.
    """
    return programs() / "bin" / "psql"


class EmbeddedServer:
    """The database server of a workspace; safe to use from many threads, processes and after a fork.

    Args:
        workspace: The workspace's folder; the server's files are in its folder ``database``.
    """

    def __init__(self, workspace: Path) -> None:
        self._home = workspace.resolve() / "database"
        self._mutex = threading.RLock()
        self._hold: FileLock | None = None
        _servers.add(self)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> str:
        """Make sure that the server runs and hold it; where it runs and is held this takes about a millisecond.

        Returns:
            Where the server is, in libpq's keyword form, for the database ``postgres``.

        Raises:
            DatabaseDownError: The server cannot be started; the message says why and what to do.
        """
        with self._mutex:
            if self._hold and self._hold.names_its_file() and (notice := self._listening()):
                return _conninfo(notice)
            try:
                self._take_hold()
                return _conninfo(self._answering() or self._start())
            except OSError as error:
                self.release()
                refusal = unusable(self._home, error)
                refusal.general = _LASTING
                raise refusal from error
            except BaseException as error:
                self.release()
                if isinstance(error, DatabaseDownError) and not isinstance(error, DatabaseTakenError):
                    error.general = _LASTING
                raise

    def release(self) -> None:
        """Let go; the server stops when nobody else holds it."""
        with self._mutex:
            if self._hold:
                self._hold.release()
                self._hold = None

    def start_detached(self) -> None:
        """Start the server and keep it running, held or not, until :meth:`stop`.

        Raises:
            DatabaseDownError: The server cannot be started.
        """
        with self._mutex:
            held = self._hold is not None
            self.acquire()
            try:
                write_whole(self._home / DETACHED, identity(self._home).encode())
            except OSError as error:
                raise unusable(self._home, error) from error
            finally:
                if not held:
                    self.release()

    def stop(self) -> None:
        """Let go, end what :meth:`start_detached` began, and wait until the server has stopped.

        Raises:
            DatabaseError: It did not run, or others still use it.
        """
        self.release()
        with contextlib.suppress(OSError):
            (self._home / DETACHED).unlink()
        if is_free(self._home / SERVER_LOCK):
            raise DatabaseError(f"the database server of {self._home.parent} does not run: there is nothing to stop")
        wait = _Wait("waiting for the database server to stop")
        while not is_free(self._home / SERVER_LOCK):
            wait.pause()
            if wait.seconds > _IN_USE_SECONDS and self._is_held():
                raise DatabaseError(
                    f"the database server of {self._home.parent} is still used by another process: "
                    "it stops when that process ends"
                )

    def is_running(self) -> bool:
        """Whether the server runs and lets clients in."""
        return self._answering() is not None

    def forget_after_fork(self) -> None:
        """Leave the hold to the parent; a child that needs the server acquires it for itself."""
        self._mutex = threading.RLock()
        if self._hold:
            self._hold.abandon()
            self._hold = None

    def _listening(self) -> Notice | None:
        notice = Notice.read(self._home)
        return notice if notice and notice.says_ready() and notice.answers() else None

    def _answering(self) -> Notice | None:
        notice = self._listening()
        if notice is None:
            return None
        try:
            psycopg.connect(_conninfo(notice), connect_timeout=10).close()
        except psycopg.OperationalError as error:
            return notice if any(words in str(error) for words in _FULL) else None
        return notice

    def _is_held(self) -> bool:
        lock = FileLock(self._home / HOLDERS_LOCK)
        try:
            return lock.take(shared=True) and not lock.take()
        finally:
            lock.release()

    def _take_hold(self) -> None:
        if self._hold and self._hold.names_its_file():
            return
        self.release()
        self._home.mkdir(parents=True, exist_ok=True)
        refuse_strangers(self._home)
        hold = FileLock(self._home / HOLDERS_LOCK)
        wait = _Wait("waiting for the former database server to stop")
        while not hold.take(shared=True):
            wait.pause()
        self._hold = hold

    @contextlib.contextmanager
    def _being_the_starter(self) -> Iterator[None]:
        lock = FileLock(self._home / START_LOCK)
        try:
            wait = _Wait("another process is starting the database server")
            while not lock.take():
                wait.pause()
            yield
        finally:
            lock.release()

    def _start(self) -> Notice:
        with self._being_the_starter():
            launched = False
            unseen = 0
            wait = _Wait(f"the database in {self._home} is starting or recovering from a crash; its log is there")
            while not (notice := self._answering()):
                if is_free(self._home / SERVER_LOCK):
                    if launched:
                        raise DatabaseDownError(last_words(self._home))
                    launched = self._launch()
                if wait.pause():
                    unseen = 0 if self._is_seen() else unseen + 1
                if unseen >= _UNSEEN_WORDS:
                    raise DatabaseDownError(
                        f"the database in {self._home} is used by a server that cannot be reached from here, "
                        "in another container perhaps: stop that one, or set MESHSEEK_DATABASE_URL"
                    )
            return notice

    def _is_seen(self) -> bool:
        notice = Notice.read(self._home)
        return keeper_exists(self._home) or bool(notice and processes(Path(notice.data)))

    def _launch(self) -> bool:
        search_path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "meshseek.store.embedded.keeper", str(self._home)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env={**os.environ, "PYTHONPATH": search_path, "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,
            check=False,
        )
        if done.returncode in {0, _ALREADY_KEPT}:
            return done.returncode == 0
        words = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise DatabaseDownError(words[-1])


class _Wait:
    """A wait without an end that says every few seconds what it waits for."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._said = self._began
        self._pause = _SHORTEST_PAUSE

    @property
    def seconds(self) -> float:
        """How long the wait is by now."""
        return time.monotonic() - self._began

    def pause(self) -> bool:
        """Wait a moment, longer each time.

        Returns:
            Whether it was time to say what we wait for.
        """
        time.sleep(self._pause)
        self._pause = min(self._pause * 1.5, _LONGEST_PAUSE)
        now = time.monotonic()
        if now - self._said < _WORD_SECONDS:
            return False
        self._said = now
        _LOGGER.warning("%s (%.0f s)", self._what, self.seconds)
        return True


def _conninfo(notice: Notice) -> str:
    return make_conninfo(host=notice.socket_folder, port=PORT, user="meshseek", dbname="postgres")


def _forget_after_fork() -> None:
    for server in list(_servers):
        server.forget_after_fork()


os.register_at_fork(after_in_child=_forget_after_fork)
