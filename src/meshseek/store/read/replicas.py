"""Which replicas of a server follow it: each is asked, over and over, what is live there."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Lock, Thread
from typing import Final, NamedTuple

from meshseek.errors import BusyError, DatabaseError, NotPublishedError
from meshseek.store.queries import query
from meshseek.store.read.reader import Reader

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often each server is asked what is live on it: so long a replica may be used that does not follow."""
SILENT_SECONDS = 2.0
"""A replica that does not say it in this time is left out, and what is under way there is asked of another."""


SILENT: Final = f"it did not answer within {SILENT_SECONDS:g} s"
OTHER: Final = "it has another version than the primary"
EMPTY: Final = "nothing is published there yet"


class Standing(NamedTuple):
    """What is live on a server."""

    content: str
    identity: bytes | None
    """Of its codes: the same content that was published again has others."""
    edition: int | None
    published_at: datetime


Told = Standing | str | None
"""What is live on a server; or why that cannot be told; or nothing new, where it is too busy to say."""


@dataclass(slots=True, eq=False)
class Replica:
    """A server that is to follow the primary."""

    reader: Reader
    name: str
    is_usable: bool = False
    why: str = ""
    """What keeps it from being used, as it was logged."""


class Replicas:
    """The replicas of a primary, looked at in a thread. Threads may share it.

    Args:
        primary: What it has is what is live.
        replicas: By name.
    """

    def __init__(self, primary: Reader, replicas: Mapping[str, Reader]) -> None:
        self._primary = primary
        self.all: Sequence[Replica] = [Replica(reader, name) for name, reader in replicas.items()]
        self._starting = Lock()
        self._looking: Thread | None = None
        self._has_looked = Event()
        self._live: Standing | None = None
        """What replicas must have to be used."""
        self._stopped = Event()
        self._lookers = ThreadPoolExecutor(1 + len(self.all), "look at a server")
        self._looks: dict[Reader, Future[Told]] = {}

    @property
    def servers(self) -> list[Reader]:
        """The primary, and all of them."""
        return [self._primary, *(replica.reader for replica in self.all)]

    @property
    def usable(self) -> list[Reader]:
        """Those that follow."""
        return [replica.reader for replica in self.all if replica.is_usable]

    def close(self) -> None:
        """Look no longer, and close the connections to all servers."""
        self._stopped.set()
        for reader in self.servers:
            reader.close()
        with self._starting:
            looking = self._looking
        if looking is not None:
            looking.join(timeout=5)
        self._lookers.shutdown(wait=False, cancel_futures=True)

    def start(self) -> None:
        """See to it that they were looked at, and are from now on."""
        if self._has_looked.is_set():
            return
        with self._starting:
            if not self._has_looked.is_set() and not self._stopped.is_set():
                self._look()
                self._looking = Thread(target=self._keep_looking, name="replicas", daemon=True)
                self._looking.start()
                self._has_looked.set()

    def _keep_looking(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:  # whatever it is, the next look may be better
                log.exception("replicas cannot be looked at")

    def _look(self) -> None:
        """Use the replicas that have just what is live, or where the primary does not say, the newest that any has."""
        for reader in self.servers:
            if reader not in self._looks:
                self._looks[reader] = self._lookers.submit(_standing, reader)
        wait(self._looks.values(), SILENT_SECONDS)
        if self._stopped.is_set():
            return
        live = self._told(self._primary)
        told = {replica.name: self._told(replica.reader) for replica in self.all}
        if isinstance(live, Standing):
            self._live = live
        elif isinstance(live, str):
            known = [standing for standing in told.values() if isinstance(standing, Standing)]
            self._live = max(known, key=lambda standing: standing.published_at, default=None)
        for replica in self.all:
            self._judge(replica, told[replica.name])

    def _judge(self, replica: Replica, standing: Told) -> None:
        if isinstance(standing, str):
            self.leave_out(replica, standing)
            if standing == SILENT:
                replica.reader.let_go()
        elif standing is not None and standing != self._live:
            self.leave_out(replica, OTHER)
        elif standing is not None:
            self._use(replica)

    def _told(self, reader: Reader) -> Told:
        """What a server said of itself; of one that says nothing, nobody should go on waiting for an answer."""
        return self._looks.pop(reader).result() if self._looks[reader].done() else SILENT

    def _use(self, replica: Replica) -> None:
        if not replica.is_usable:
            log.info("%s is used", replica.name)
        replica.is_usable, replica.why = True, ""

    def leave_out(self, replica: Replica, why: str) -> None:
        """Use it no longer, until a look finds that it follows."""
        if replica.why != why:
            log.warning("%s is not used: %s", replica.name, why)
        replica.is_usable, replica.why = False, why


def _standing(reader: Reader) -> Told:
    """What a server says of itself."""
    try:
        rows = reader.rows(query("standing"), {})
    except BusyError:
        return None
    except DatabaseError as error:
        return EMPTY if isinstance(error, NotPublishedError) else str(error)
    return Standing(**rows[0]) if rows else EMPTY
