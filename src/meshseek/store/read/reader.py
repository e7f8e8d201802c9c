"""Asks the live version of one algorithm: searches over one small pool of warmed connections, the rest over another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
from psycopg.rows import dict_row

from meshseek.deadlines import check_deadline
from meshseek.errors import DatabaseDownError, DatabaseError
from meshseek.spans import DATABASE, Span
from meshseek.store.bounded import BoundedConnection
from meshseek.store.memory import read_into_memory
from meshseek.store.pgvector import check_pgvector
from meshseek.store.postgres import (
    LOOKUPS,
    POOL_SECONDS,
    POOL_SIZE,
    Connection,
    Server,
    configure,
    translated,
)
from meshseek.store.queries import Query, Statement, query
from meshseek.store.read.lending import Lender
from meshseek.store.schema import check_schema


@dataclass(frozen=True, slots=True)
class Session:
    """How a connection searches.

    Args:
        ef: Nodes that a search of a graph keeps.
        plan: ``plan_cache_mode`` of its statements.
        sort: Whether the nearest may be told by sorting a table; else they come from a graph, which is in order.
        singly: Whether rows may be read one after the other, as an index leads to them. Else their pages are told
            first and fetched many at a time: from a disk, the views of 150 assets then take a third of the time.
    """

    ef: int
    plan: str
    sort: bool = True
    singly: bool = True


AS_IT_IS = Session(ef=0, plan="")
"""For the parts of a search that no setting matters to: to change it to and fro would double the statements."""


class _Pools(NamedTuple):
    """Slow searches keep nobody from looking up an asset, or from asking whether the database is there."""

    searches: Lender
    lookups: Lender


class _CutError(psycopg.OperationalError):
    """A connection of the pool was dead already; another one may live."""


class Reader:
    """The connections of one algorithm. Safe to share between threads."""

    _pools: _Pools | None = None
    _closed = False
    _looking: BoundedConnection | None = None
    """Is for nothing but :meth:`look`."""

    def __init__(self, server: Server, algorithm: str) -> None:
        self._server = server
        self._algorithm = algorithm
        self._opening = Lock()
        self._sessions: WeakKeyDictionary[Connection, Session] = WeakKeyDictionary()
        """How each connection searches now, so that it is set only when it changes."""

    def close(self) -> None:
        """Close the connections, for good: what is still warming up in the background opens no others."""
        with self._opening:
            self._closed = True
            for pool in self._pools or ():
                pool.close()
            self._pools = None

    def look(self, text: Query, seconds: float) -> list[dict[str, Any]]:
        """The rows of a quick query, however busy searches keep their connections; for one thread alone.

        Raises:
            DatabaseError: See :func:`meshseek.store.postgres.translated`; also where it says nothing for so long.
        """
        try:
            with translated():
                if self._looking is None:
                    self._looking = self._server.watching(self._algorithm, seconds)
                with self._looking.cursor(row_factory=dict_row) as cursor:
                    return cursor.execute(text, binary=True).fetchall()
        except DatabaseError:
            self.look_no_longer()
            raise

    def look_no_longer(self) -> None:
        """Close the connection of :meth:`look`."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.close()

    def let_go(self) -> None:
        """Close all connections, whoever waits for them; others are opened when something is asked again."""
        if not self._opening.acquire(blocking=False):  # then they are being opened, and there are none yet
            return
        try:
            pools, self._pools = self._pools, None
        finally:
            self._opening.release()
        for pool in pools or ():
            pool.let_go()

    def pools(self) -> dict[str, dict[str, int]]:
        """What is counted of each pool, by its name; none where they are not open."""
        pools = self._pools
        return {} if pools is None else {name: pool.figures() for name, pool in pools._asdict().items()}

    @property
    def lent(self) -> int:
        """Connections that searches have now."""
        pools = self._pools
        return pools.searches.lent if pools else 0

    @property
    def replicas(self) -> dict[str, bool]:
        """Whether each replica is used, by name."""
        return {}

    def answering(self) -> contextlib.AbstractContextManager[None]:
        """Within it, all searches of this thread are asked of one server; here there is but one."""
        return contextlib.nullcontext()

    def differs(self) -> None:
        """Hear that what was just read is of another version than was asked for."""

    def written(self, text: Query, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a query that writes.

        Raises:
            DatabaseError: See :func:`meshseek.store.postgres.translated`.
        """
        return self.rows(text, values)

    def read_into_memory(self) -> None:
        """Read tables and indexes into the server's memory, where ``pg_prewarm`` is there and may be used.

        Raises:
            DatabaseError: See :func:`meshseek.store.postgres.translated`.
        """
        with translated(), self._open().searches.connection() as connection:
            read_into_memory(connection, "live")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection of its own whose statements see all rows as the first of them does.

        Another version may go live meanwhile, and names then mean that one: whoever asks must look which it is.

        Raises:
            DatabaseError: See :func:`meshseek.store.postgres.translated`.
        """
        with self._server.look(self._algorithm) as connection:
            configure(connection)
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.transaction(force_rollback=True):
                yield connection

    def rows(
        self, text: Query | Statement, values: Mapping[str, Any], session: Session | None = None
    ) -> list[dict[str, Any]]:
        """The rows of a query, which must only read; it is prepared where it is a search.

        Raises:
            DatabaseError: See :func:`meshseek.store.postgres.translated`.
            TooSlowError: Nobody waits for them any longer.
        """
        check_deadline()
        with Span(DATABASE, text.name):
            pools = self._open()
            return self._answered(pools.lookups if session is None else pools.searches, text, values, session)

    def stream(self, text: Query, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a query that may be many and large, one by one, however long all of them take.

        Raises:
            DatabaseError: See :func:`meshseek.store.postgres.translated`.
        """
        with translated(), self._server.look(self._algorithm) as connection:
            connection.execute(query("no_time_limit"))
            yield from _streamed(connection, text, values)

    def _answered(
        self, pool: Lender, text: Query | Statement, values: Mapping[str, Any], session: Session | None
    ) -> list[dict[str, Any]]:
        with translated():
            for _ in range(pool.size):  # a server that was restarted has cut all of them
                with contextlib.suppress(_CutError):
                    return self._asked(pool, text, values, session)
            return self._asked(pool, text, values, session)

    def _asked(
        self,
        pool: Lender,
        text: Query | Statement,
        values: Mapping[str, Any],
        session: Session | None,
    ) -> list[dict[str, Any]]:
        with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            try:
                if session not in {None, AS_IT_IS, self._sessions.get(connection)}:
                    self._sessions[connection] = _set(cursor, session)
                return cursor.execute(text, values, prepare=session is not None, binary=True).fetchall()
            except psycopg.OperationalError as error:
                if connection.broken:
                    raise _CutError(*error.args) from error
                raise

    def _check_schema(self, connection: Connection) -> None:
        row = connection.execute(query("schema_version")).fetchone()
        if row is not None:
            check_schema(row[0], self._algorithm)

    def _open(self) -> _Pools:
        """The pools, once the database was seen to be fit; pools alone could not tell why it cannot connect.

        Raises:
            DatabaseError: It cannot be reached or is not fit, or this was closed.
        """
        if not self._opening.acquire(timeout=POOL_SECONDS):
            raise DatabaseDownError("the database is still being opened; try again in a moment")
        try:
            if self._closed:
                raise DatabaseDownError("its connections are closed, for the service is stopping; start it again")
            if self._pools is None:
                with self._server.look(self._algorithm) as connection:
                    check_pgvector(connection)
                    self._check_schema(connection)
                pools = (Lender(self._server.pool(self._algorithm, size)) for size in (POOL_SIZE, LOOKUPS))
                self._pools = _Pools(*pools)
            return self._pools
        finally:
            self._opening.release()


class OneConnection(Reader):
    """Asks over a connection of somebody else what its search path shows, such as a version that is being loaded."""

    def __init__(self, connection: Connection) -> None:  # there is no pool
        configure(connection)
        self._connection = connection
        self._session: Session | None = None

    def close(self) -> None:
        """The connection is another's."""

    def rows(
        self, text: Query | Statement, values: Mapping[str, Any], session: Session | None = None
    ) -> list[dict[str, Any]]:
        """The rows of a query.

        Raises:
            psycopg.Error: The server refuses.
        """
        with self._connection.cursor(row_factory=dict_row) as cursor:
            if session not in {None, AS_IT_IS, self._session}:
                self._session = _set(cursor, session)
            return cursor.execute(text, values, binary=True).fetchall()

    def stream(self, text: Query, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a query, one by one.

        Raises:
            psycopg.Error: The server refuses.
        """
        yield from _streamed(self._connection, text, values)


def _streamed(connection: Connection, text: Query, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        yield from cursor.stream(text, values, binary=True)


def _set(cursor: psycopg.Cursor[Any], session: Session | None) -> Session:
    assert session is not None
    cursor.execute(query("set_search"), {name: str(value) for name, value in asdict(session).items()})
    return session
