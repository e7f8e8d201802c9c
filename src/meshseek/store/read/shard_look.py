"""Looks over and over whether the shards of a version answer, and which version is live."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final

from meshseek.errors import DatabaseDownError, DatabaseError, NotPublishedError
from meshseek.store.queries import query
from meshseek.store.read.reader import Reader
from meshseek.store.read.watch import LOOK_SECONDS, SILENT_SECONDS
from meshseek.store.shards import LiveRow

log = logging.getLogger(__name__)

GONE: Final = "its part of the version is not there"
STOPPING: Final = "its connections are closed, for the service is stopping; start it again"


def why(error: BaseException) -> str:
    """What the server itself, or the driver, says of a failure."""
    told = str(error.__cause__ or error).strip() or type(error).__name__
    return told.splitlines()[0]


class ShardLook:
    """Whether one shard answers, looked at in a thread.

    Args:
        reader: Of its part of a version.
        name: In the log.
    """

    def __init__(self, reader: Reader, name: str) -> None:
        self._reader = reader
        self._name = name
        self._stopped = Event()
        self.failure: str | None = None
        """Why it does not answer; None where it does, or was not looked at yet."""
        self._thread = Thread(target=self._keep_looking, name=f"look at {name}", daemon=True)
        self._thread.start()

    def leave_out(self, reason: str) -> None:
        """Take it for one that does not answer, until a look finds that it does."""
        if self.failure is None and not self._stopped.is_set():
            log.warning("%s is not asked: %s", self._name, reason)
        self.failure = reason

    def stop(self) -> None:
        """Look no longer."""
        self._stopped.set()

    def _keep_looking(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._reader.look(query("content_seen"), SILENT_SECONDS)
            except NotPublishedError:
                self.leave_out(GONE)
            except DatabaseError as error:
                self.leave_out(why(error))
                if time.monotonic() - began > SILENT_SECONDS / 2:  # nobody need go on waiting for it
                    self._reader.let_go()
            except Exception as error:
                log.exception("%s cannot be looked at", self._name)
                self.leave_out(why(error))
            else:
                if self.failure is not None:
                    log.info("%s is asked again", self._name)
                self.failure = None
            self._stopped.wait(LOOK_SECONDS)
        self._reader.look_no_longer()


class RowLook:
    """Which version is live, as the first shard says, looked at in a thread and whenever somebody must know.

    Args:
        reader: Of the first shard.
        changed: Called where another version is live than before.
    """

    def __init__(self, reader: Reader, changed: Callable[[LiveRow], None]) -> None:
        self._reader = reader
        self._changed = changed
        self._known: LiveRow | None = None
        self._last: tuple[float, LiveRow | DatabaseError] | None = None
        """When it was last asked, and what came of it."""
        self._lock = Lock()
        self._stopped = Event()
        self._thread: Thread | None = None

    def look(self) -> LiveRow:
        """Ask the first shard now.

        Raises:
            NotPublishedError: Nothing is live.
            DatabaseError: It cannot be asked, or this was closed.
        """
        began = time.monotonic()
        with self._lock:
            if self._stopped.is_set():
                raise DatabaseDownError(STOPPING)
            if self._last is None or self._last[0] < began:  # else another thread asked meanwhile
                try:
                    self._last = time.monotonic(), self._ask()
                except DatabaseError as error:
                    self._last = time.monotonic(), error
            told = self._last[1]
        if isinstance(told, DatabaseError):
            raise told
        return told

    def close(self) -> None:
        """Look no longer."""
        self._stopped.set()
        with self._lock:
            self._reader.look_no_longer()

    def _keep_looking(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self.look()
            except DatabaseError as error:
                log.debug("what is live cannot be looked at: %s", error)
            except Exception:
                log.exception("what is live cannot be looked at")

    def _ask(self) -> LiveRow:
        rows = self._reader.look(query("live_row"), SILENT_SECONDS)
        if not rows:
            raise NotPublishedError("nothing is published; run 'meshseek publish' for this algorithm first")
        row = LiveRow(**rows[0])
        if row != self._known:
            self._changed(row)
            self._known = row
        if self._thread is None and not self._stopped.is_set():
            self._thread = Thread(target=self._keep_looking, name="look at what is live", daemon=True)
            self._thread.start()
        return row
