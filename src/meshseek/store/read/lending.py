"""A pool of connections that tells "all of them are busy" from "there are none to be had"."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING

import psycopg
from psycopg_pool import PoolTimeout

from meshseek.errors import BusyError

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

    from meshseek.store.postgres import Connection


class Lender:
    """Lends the connections of one pool. Threads may share it."""

    def __init__(self, pool: ConnectionPool[Connection]) -> None:
        self._pool = pool
        self._out: set[Connection] = set()
        self._lock = Lock()
        self._is_gone = False
        self.size = pool.max_size
        self.close = pool.close

    def figures(self) -> dict[str, int]:
        """What psycopg_pool counts, and how many connections are lent now."""
        return {**self._pool.get_stats(), "lent": self.lent}

    def let_go(self) -> None:
        """Close all connections, those that are lent as well: whoever waits for one hears that it is gone."""
        with self._lock:  # none of them is given back meanwhile, and so none is closed
            self._is_gone = True
            for connection in self._out:
                with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as link:
                    link.shutdown(socket.SHUT_RDWR)
        Thread(target=self._pool.close, name="close connections", daemon=True).start()

    @property
    def lent(self) -> int:
        """Connections that are lent now."""
        return len(self._out)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One connection, given back at the end.

        Raises:
            BusyError: Others kept all of them for as long as one may wait.
            PoolTimeout: The database gave none.
            psycopg.OperationalError: All of them were let go.
        """
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self._pool.connection())
            except PoolTimeout as error:
                if self.lent < self.size:
                    raise
                raise BusyError("the database is busy with other requests; try again in a second") from error
            self._note(connection, is_out=True)
            stack.callback(self._note, connection, is_out=False)
            yield connection

    def _note(self, connection: Connection, *, is_out: bool) -> None:
        with self._lock:
            if is_out and self._is_gone:  # one that was idle when the others were cut
                raise psycopg.OperationalError("its connections were closed, for it said nothing")
            (self._out.add if is_out else self._out.discard)(connection)
