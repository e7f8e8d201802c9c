"""Reads from one of several servers: a primary and replicas. One that does not follow is left out until it does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from meshseek.deadlines import check_deadline
from meshseek.errors import BusyError, DatabaseDownError, DatabaseError, DatabaseSlowError
from meshseek.store.read.reader import Reader, Session
from meshseek.store.read.replicas import OTHER, Replicas

if TYPE_CHECKING:
    from meshseek.store.postgres import Connection, Server
    from meshseek.store.queries import Query, Statement

log = logging.getLogger(__name__)
T = TypeVar("T")


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
        self._replicas = Replicas(primary, replicas)
        self._turns = count()

    def close(self) -> None:
        """Close the connections to all servers, for good."""
        self._replicas.close()

    def pools(self) -> dict[str, dict[str, int]]:
        """What is counted of each pool, by its name; those of replicas have their names before it."""
        told = self._primary.pools()
        for replica in self._replicas.all:
            told |= {f"{replica.name} {name}": figures for name, figures in replica.reader.pools().items()}
        return told

    @property
    def replicas(self) -> dict[str, bool]:
        """Whether each replica is used, by name."""
        return {replica.name: replica.is_usable for replica in self._replicas.all}

    def read_into_memory(self) -> None:
        """Read tables and indexes into the memory of each server that answers.

        Raises:
            DatabaseError: None does.
        """
        refusals = []
        for reader in self._replicas.servers:
            try:
                reader.read_into_memory()
            except DatabaseError as error:
                refusals.append(error)
        if len(refusals) > len(self._replicas.all):
            raise refusals[0]

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
        for replica in self._replicas.all:
            if answer is not None and replica.reader is answer.reader:
                self._replicas.leave_out(replica, OTHER)

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
        self._replicas.start()
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
                for replica in self._replicas.all:
                    if replica.reader is reader and not isinstance(error, BusyError):
                        self._replicas.leave_out(replica, str(error))
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
        return [self._primary, *self._replicas.usable]


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
