"""Reads from one of several servers: a primary and replicas. One that does not follow is left out until it does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from meshseek.deadlines import check_deadline
from meshseek.errors import BusyError, DatabaseDownError, DatabaseError, DatabaseSlowError, NotPublishedError
from meshseek.store.queries import query
from meshseek.store.read.reader import Reader, Session

if TYPE_CHECKING:
    from datetime import datetime

    from meshseek.store.postgres import Connection, Server
    from meshseek.store.queries import Query, Statement

log = logging.getLogger(__name__)
T = TypeVar("T")

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
class _Replica:
    reader: Reader
    name: str
    is_usable: bool = False
    why: str = ""
    """What keeps it from being used, as it was logged."""


@dataclass(slots=True)
class _Answer:
    """Which server an answer comes from."""

    reader: Reader | None = None


_answer: ContextVar[_Answer | None] = ContextVar("answer", default=None)


class Spread(Reader):
    """Has searches answered by whichever server has the least to do, each answer by one of them.

    Args:
        primary: Where everything is published. What it has is what is live.
        replicas: By name.
    """

    def __init__(self, primary: Reader, replicas: Mapping[str, Reader]) -> None:
        self._primary = primary
        self._replicas = [_Replica(reader, name) for name, reader in replicas.items()]
        self._turns = count()
        self._starting = Lock()
        self._looking: Thread | None = None
        self._live: Standing | None = None
        """What replicas must have to be used."""
        self._stopped = Event()
        self._lookers = ThreadPoolExecutor(1 + len(self._replicas), "look at a server")
        self._looks: dict[Reader, Future[Told]] = {}

    def close(self) -> None:
        """Close the connections to all servers, for good."""
        self._stopped.set()
        with self._starting:
            looking = self._looking
        for reader in self._all():
            reader.close()
        if looking is not None:
            looking.join(timeout=5)
        self._lookers.shutdown(wait=False, cancel_futures=True)

    def pools(self) -> dict[str, dict[str, int]]:
        """What is counted of each pool, by its name; those of replicas have their names before it."""
        told = self._primary.pools()
        for replica in self._replicas:
            told |= {f"{replica.name} {name}": figures for name, figures in replica.reader.pools().items()}
        return told

    @property
    def usable(self) -> dict[str, bool]:
        """Whether each replica is used, by name."""
        return {replica.name: replica.is_usable for replica in self._replicas}

    def read_into_memory(self) -> None:
        """Read tables and indexes into each server's memory; a replica that is not there does so when it is."""
        self._primary.read_into_memory()
        for replica in self._replicas:
            with suppress(DatabaseError):
                replica.reader.read_into_memory()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection to the primary; see :meth:`Reader.snapshot`."""
        with self._primary.snapshot() as connection:
            yield connection

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Within it, all searches of this thread are asked of one server, for as long as it answers."""
        token = _answer.set(_Answer())
        try:
            yield
        finally:
            _answer.reset(token)

    def differs(self) -> None:
        """What was just read is of another version than was asked for: a replica that gave it is looked at again."""
        answer = _answer.get()
        for replica in self._replicas:
            if answer is not None and replica.reader is answer.reader:
                self._leave_out(replica, OTHER)

    def written(self, text: Query, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a query that writes: the primary's alone."""
        return self._primary.written(text, values)

    def rows(
        self, text: Query | Statement, values: Mapping[str, Any], session: Session | None = None
    ) -> list[dict[str, Any]]:
        """The rows of a query, which must only read; of another server where one does not answer.

        Raises:
            DatabaseError: See :func:`meshseek.store.postgres.translated`.
            TooSlowError: Nobody waits for them any longer.
        """
        order = self._all_usable if session is None else self._in_turn
        return self._first_answer(order, lambda reader: reader.rows(text, values, session))

    def stream(self, text: Query, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a query that may be many and large; of another server only where one does not answer at all.

        Raises:
            DatabaseError: See :func:`meshseek.store.postgres.translated`.
        """
        rows = self._first_answer(self._all_usable, lambda reader: _begun(reader.stream(text, values)))
        yield from rows

    def _first_answer(self, order: Callable[[], Iterable[Reader]], ask: Callable[[Reader], T]) -> T:
        """What the first server says that answers.

        Args:
            order: Gives the servers.
            ask: Asks one.
        """
        self._start()
        refusal: DatabaseError | BusyError | None = None
        for reader in order():
            check_deadline()
            try:
                return ask(reader)
            except DatabaseSlowError:
                raise
            except (BusyError, DatabaseError) as error:
                if reader is self._primary and not isinstance(error, BusyError | DatabaseDownError):
                    raise
                refusal = error
                for replica in self._replicas:
                    if replica.reader is reader and not isinstance(error, BusyError):
                        self._leave_out(replica, str(error))
        raise refusal or DatabaseDownError("no database server can be asked; check MESHSEEK_DATABASE_URL")

    def _in_turn(self) -> Iterator[Reader]:
        """Those that may be used: the one that answers already, then those with the least to do."""
        usable = self._all_usable()
        turn = next(self._turns) % len(usable)
        usable = sorted([*usable[turn:], *usable[:turn]], key=lambda reader: reader.lent)
        answer = _answer.get() or _Answer()
        if answer.reader in usable:
            usable.sort(key=lambda reader: reader is not answer.reader)
        for reader in usable:
            answer.reader = reader
            yield reader

    def _all_usable(self) -> list[Reader]:
        return [self._primary, *(replica.reader for replica in self._replicas if replica.is_usable)]

    def _all(self) -> Sequence[Reader]:
        return [self._primary, *(replica.reader for replica in self._replicas)]

    def _start(self) -> None:
        if self._looking is None:
            with self._starting:
                if self._looking is None and not self._stopped.is_set():
                    self._look()
                    self._looking = Thread(target=self._keep_looking, name="replicas", daemon=True)
                    self._looking.start()

    def _keep_looking(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:  # whatever it is, the next look may be better
                log.exception("replicas cannot be looked at")

    def _look(self) -> None:
        """Use the replicas that have just what is live, or where the primary does not say, the newest that any has."""
        for reader in self._all():
            if reader not in self._looks:
                self._looks[reader] = self._lookers.submit(_standing, reader)
        wait(self._looks.values(), SILENT_SECONDS)
        live = self._told(self._primary)
        told = {replica.name: self._told(replica.reader) for replica in self._replicas}
        if isinstance(live, Standing):
            self._live = live
        elif isinstance(live, str):
            known = [standing for standing in told.values() if isinstance(standing, Standing)]
            self._live = max(known, key=lambda standing: standing.published_at, default=None)
        for replica in self._replicas:
            standing = told[replica.name]
            if standing is None:
                continue
            if isinstance(standing, str):
                self._leave_out(replica, standing)
                if standing == SILENT:
                    replica.reader.let_go()
            elif standing == self._live:
                self._use(replica)
            else:
                self._leave_out(replica, OTHER)

    def _told(self, reader: Reader) -> Told:
        """What a server said of itself; of one that says nothing, nobody should go on waiting for an answer."""
        return self._looks.pop(reader).result() if self._looks[reader].done() else SILENT

    def _use(self, replica: _Replica) -> None:
        if not replica.is_usable:
            log.info("%s is used", replica.name)
        replica.is_usable, replica.why = True, ""

    def _leave_out(self, replica: _Replica, why: str) -> None:
        if replica.why != why:
            log.warning("%s is not used: %s", replica.name, why)
        replica.is_usable, replica.why = False, why


def reader_of(algorithm: str, primary: Server, replicas: Sequence[Server]) -> Reader:
    """Asks a server, or that and its replicas."""
    reader = Reader(primary, algorithm)
    named = {f"replica {number}": Reader(each, algorithm) for number, each in enumerate(replicas, 1)}
    return Spread(reader, named) if named else reader


def _begun(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same rows, of which the first was asked for already."""
    first = next(rows, None)

    def all_rows() -> Iterator[dict[str, Any]]:
        if first is not None:
            yield first
            yield from rows

    return all_rows()


def _standing(reader: Reader) -> Told:
    """What a server says of itself."""
    try:
        rows = reader.rows(query("standing"), {})
    except BusyError:
        return None
    except DatabaseError as error:
        return EMPTY if isinstance(error, NotPublishedError) else str(error)
    return Standing(**rows[0]) if rows else EMPTY
