"""A pool of connections that tells "all of them are busy" from "there are none to be had"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from psycopg_pool import PoolTimeout

from meshseek.errors import BusyError

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

    from meshseek.store.postgres import Connection


class Lender:
    """Lends the connections of one pool. Threads may share it."""

    def __init__(self, pool: ConnectionPool[Connection]) -> None:
        self._pool = pool
        self._lent = 0
        self._lock = Lock()
        self.size = pool.max_size
        self.close = pool.close

    def figures(self) -> dict[str, int]:
        """What psycopg_pool counts, and how many connections are lent now."""
        return {**self._pool.get_stats(), "lent": self._lent}

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One connection, given back at the end.

        Raises:
            BusyError: Others kept all of them for as long as one may wait.
            PoolTimeout: The database gave none.
        """
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self._pool.connection())
            except PoolTimeout as error:
                if self._lent < self.size:
                    raise
                raise BusyError("the database is busy with other requests; try again in a second") from error
            self._count(1)
            stack.callback(self._count, -1)
            yield connection

    def _count(self, change: int) -> None:
        with self._lock:
            self._lent += change
