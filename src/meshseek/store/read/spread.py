"""Reads from one of several servers: a primary and replicas. One that does not follow is left out until it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from meshseek.deadlines import check_deadline
from meshseek.errors import BusyError, DatabaseDownError, DatabaseError, DatabaseVersionError, NotPublishedError
from meshseek.store.read.published import VersionChangedError
from meshseek.store.read.reader import Reader, Session
from meshseek.store.read.watch import OTHER, Watch

if TYPE_CHECKING:
    from meshseek.store.postgres import Connection, Server
    from meshseek.store.queries import Query, Statement

T = TypeVar("T")
UNFIT = (DatabaseDownError, NotPublishedError, DatabaseVersionError)
"""What is wrong with a server, and not with what it was asked."""


@dataclass(slots=True)
class _Answer:
    """Which server an answer comes from."""

    reader: Reader | None = None


_answers: ContextVar[Mapping[Spread, _Answer]] = ContextVar("answers", default=MappingProxyType({}))
"""Of what this thread works on, by what it is read from: an answer may be put together from several databases."""


class Spread(Reader):
    """Has searches answered by whichever server has the least to do, each answer by one of them.

    Args:
        primary: Where everything is published. What it has is what is live.
        replicas: By name.
    """

    def __init__(self, primary: Reader, replicas: Mapping[str, Reader]) -> None:
        self._primary = primary
        self._watch = Watch(primary, replicas)
        self._turns = count()

    def close(self) -> None:
        """Close the connections to all servers, for good."""
        self._watch.close()

    def pools(self) -> dict[str, dict[str, int]]:
        """What is counted of each pool, by its name; those of replicas have their names before it."""
        told = self._primary.pools()
        for replica in self._watch.replicas:
            told |= {f"{replica.name} {name}": figures for name, figures in replica.reader.pools().items()}
        return told

    @property
    def replicas(self) -> dict[str, bool]:
        """Whether each replica is used, by name."""
        return {replica.name: replica.is_used for replica in self._watch.replicas}

    def read_into_memory(self) -> None:
        """Read tables and indexes into the memory of each server that answers.

        Raises:
            DatabaseError: None does.
        """
        refusals = []
        for server in self._watch.servers:
            try:
                server.reader.read_into_memory()
            except DatabaseError as error:
                refusals.append(error)
        if len(refusals) == len(self._watch.servers):
            raise refusals[0]

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection to the primary; see :meth:`Reader.snapshot`."""
        with self._primary.snapshot() as connection:
            yield connection

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Within it, all that this thread reads comes from one server; an answer is begun again where that fails."""
        token = _answers.set({**_answers.get(), self: _Answer()})
        try:
            yield
        finally:
            _answers.reset(token)

    def differs(self) -> None:
        """What was just read is of another version than was asked for: a replica that gave it does not follow."""
        answer = _answers.get().get(self)
        if answer is not None and answer.reader not in {None, self._primary}:
            self._watch.leave_out(answer.reader, OTHER)

    def written(self, text: Query, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a query that writes: the primary's alone."""
        return self._primary.written(text, values)

    def rows(
        self, text: Query | Statement, values: Mapping[str, Any], session: Session | None = None
    ) -> list[dict[str, Any]]:
        """The rows of a query, which must only read; of another server where one does not answer.

        Raises:
            VersionChangedError: The server that has begun an answer does not end it: another one must begin anew.
            DatabaseError: See :func:`meshseek.store.postgres.translated`.
            TooSlowError: Nobody waits for them any longer.
        """
        return self._told(lambda reader: reader.rows(text, values, session), is_search=session is not None)

    def stream(self, text: Query, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a query that may be many and large; of another server only where one does not answer at all.

        Raises:
            DatabaseError: See :func:`meshseek.store.postgres.translated`.
        """
        yield from self._told(lambda reader: _begun(reader.stream(text, values)), is_search=False)

    def _told(self, ask: Callable[[Reader], T], *, is_search: bool) -> T:
        """What one server says: the one that answers already, or the first that does.

        Args:
            ask: Asks it.
            is_search: Whether any may; else the primary, for as long as it answers.
        """
        self._watch.start()
        answer = _answers.get().get(self)
        if answer is not None and answer.reader is not None:
            try:
                return ask(answer.reader)
            except UNFIT as error:
                self._left_out(answer.reader, error)
                raise VersionChangedError from error
        refusal: DatabaseError | BusyError | None = None
        for reader in self._in_turn(is_search=is_search or answer is not None):
            check_deadline()
            try:
                told = ask(reader)
            except BusyError as error:
                refusal = error
            except UNFIT as error:
                self._left_out(reader, error)
                refusal = error
            else:
                if answer is not None:
                    answer.reader = reader
                return told
        raise refusal or DatabaseDownError("no database server can be asked; check MESHSEEK_DATABASE_URL")

    def _left_out(self, reader: Reader, error: DatabaseError) -> None:
        """Leave a server out; what the primary says is so, unless it cannot be reached."""
        if reader is self._primary and not isinstance(error, DatabaseDownError):
            raise error
        self._watch.leave_out(reader, str(error))

    def _in_turn(self, *, is_search: bool) -> Sequence[Reader]:
        """The servers that may be asked: for a search, those first that have the least to do."""
        used = self._watch.used
        turn = next(self._turns) % len(used)
        if is_search:
            return sorted([*used[turn:], *used[:turn]], key=lambda reader: reader.lent)
        return used if used[0] is self._primary else [*used[turn:], *used[:turn]]


def reader_of(algorithm: str, primary: Server, replicas: Sequence[Server]) -> Reader:
    """Asks a server, or that and its replicas.

    Raises:
        DatabaseError: The address of a replica is none.
    """
    reader = Reader(primary, algorithm)
    for replica in replicas:
        replica.conninfo(algorithm)
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
