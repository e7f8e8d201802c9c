"""Which servers may answer: a primary and its replicas, each asked over and over what is live there."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock, Thread
from typing import Final, NamedTuple

from meshseek.errors import DatabaseError, NotPublishedError
from meshseek.store.queries import query
from meshseek.store.read.reader import Reader

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often each server is asked: so long a replica may be used that does not follow."""
SILENT_SECONDS = 2.0
"""A server that does not answer in this time is left out, and what is under way there is asked of another."""
EMPTY: Final = "nothing is published there yet"
OTHER: Final = "it has another version than the primary"
_UNKNOWN: Final = "it was not looked at yet"


class Standing(NamedTuple):
    """What is live on a server."""

    content: str
    identity: bytes | None
    """Of its codes: the same content that was published again has others."""
    edition: int | None
    published_at: datetime


@dataclass(slots=True, eq=False)
class Watched:
    """A server, and what it said when it was last looked at."""

    reader: Reader
    name: str
    told: Standing | str = _UNKNOWN
    """What is live there, or why that cannot be told."""
    is_used: bool = False
    was_told: bool | None = None
    """What the log says of that."""
    looked_at: Event = field(default_factory=Event)

    @property
    def is_up(self) -> bool:
        """Whether it answers."""
        return self.told == EMPTY or isinstance(self.told, Standing)


class Watch:
    """Looks at servers, each in a thread. Threads may share it.

    Args:
        primary: What it has is what is live.
        replicas: By name.
    """

    def __init__(self, primary: Reader, replicas: Mapping[str, Reader]) -> None:
        self.primary = Watched(primary, "the primary")
        self.replicas = [Watched(reader, name) for name, reader in replicas.items()]
        self._by_reader = {server.reader: server for server in self.servers}
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._stopped = Event()

    @property
    def servers(self) -> Sequence[Watched]:
        """All of them, the primary first."""
        return [self.primary, *self.replicas]

    @property
    def used(self) -> list[Reader]:
        """Those that may answer, the primary first; it alone, where none may."""
        return [server.reader for server in self.servers if server.is_used] or [self.primary.reader]

    def start(self) -> None:
        """See to it that they were looked at, and are from now on."""
        with self._lock:
            if not self._threads and not self._stopped.is_set():
                self._threads = [
                    Thread(target=self._keep_looking, args=(server,), name=f"look at {server.name}", daemon=True)
                    for server in self.servers
                ]
                for thread in self._threads:
                    thread.start()
        until = time.monotonic() + SILENT_SECONDS
        for server in self.servers:
            server.looked_at.wait(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Look no longer, and close the connections to all servers."""
        self._stopped.set()
        for server in self.servers:
            server.reader.close()
        for thread in self._threads:
            thread.join(timeout=SILENT_SECONDS)

    def leave_out(self, reader: Reader, why: str) -> None:
        """Use a server no longer, until a look finds that it may be."""
        with self._lock:
            server = self._by_reader[reader]
            server.told = why
            self._judge()

    def _keep_looking(self, server: Watched) -> None:
        while not self._stopped.is_set():
            told, is_silent = self._look(server)
            if self._stopped.is_set():
                break
            with self._lock:
                server.told = told
                self._judge()
                others = any(other.is_used for other in self.servers if other is not server)
            server.looked_at.set()
            if is_silent and others:  # nobody need go on waiting for it
                server.reader.let_go()
            self._stopped.wait(LOOK_SECONDS)
        server.reader.look_no_longer()

    def _look(self, server: Watched) -> tuple[Standing | str, bool]:
        """What a server says, and whether it says nothing at all."""
        began = time.monotonic()
        try:
            rows = server.reader.look(query("standing"), SILENT_SECONDS)
        except NotPublishedError:
            return EMPTY, False
        except DatabaseError as error:
            # A refusal comes at once, and one that cannot be connected to is as silent as one that does not answer.
            return str(error), time.monotonic() - began > SILENT_SECONDS / 2
        except Exception as error:
            log.exception("%s cannot be looked at", server.name)
            return str(error), False
        return (Standing(**rows[0]) if rows else EMPTY), False

    def _judge(self) -> None:
        """Use the replicas that have just what is live: what the primary has, or else the newest that any has."""
        if self.primary.is_up:
            live = self.primary.told
        else:
            known = [server.told for server in self.replicas if isinstance(server.told, Standing)]
            live = max(known, key=lambda standing: standing.published_at, default=EMPTY)
        self._use(self.primary, self.primary.is_up, str(self.primary.told))
        for server in self.replicas:
            follows = server.told == live and live != EMPTY
            self._use(server, follows, OTHER if isinstance(server.told, Standing) else server.told)

    def _use(self, server: Watched, is_used: bool, why: str) -> None:  # noqa: FBT001  # the one thing that it sets
        server.is_used = is_used
        if server.told != _UNKNOWN and server.was_told != is_used:
            server.was_told = is_used
            if is_used:
                log.info("%s is asked", server.name)
            else:
                log.warning("%s is not asked: %s", server.name, why)
