"""The connection to PostgreSQL: where it is, its databases, its pools, and its errors in our words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout
from pydantic_core import from_json

from meshseek.errors import DatabaseDownError, DatabaseError, DatabaseSlowError, DatabaseVersionError, NotPublishedError
from meshseek.store.bounded import BoundedConnection
from meshseek.store.pgvector import check_pgvector
from meshseek.store.queries import query

Connection = psycopg.Connection[tuple[Any, ...]]

LONGEST_NAME = 63
"""PostgreSQL cuts longer names off, and two might become one."""
CONNECT_SECONDS = 10
POOL_SIZE = 4
"""Searches of an algorithm that run at a time."""
LOOKUPS = 2
"""Connections beside them for what is quick: health, single assets, their pictures."""
POOL_SECONDS = 3
STATEMENT_SECONDS = 20.0
"""How long a statement of a search may take, unless the settings say otherwise."""
SILENCE_SECONDS = 5.0
"""How much longer than that its answer is waited for: a server that hangs does not even say that it took too long."""
_SESSION = "-c search_path=live,public -c hnsw.iterative_scan=relaxed_order -c jit=off -c statement_timeout={:.0f}ms"
_LINK = {"keepalives_idle": 30, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""A network that swallows everything is noticed, even by a connection that only waits."""


class Server:
    """One PostgreSQL server that holds a database per algorithm.

    Args:
        conninfo: Called before each connection, so that a server of ours that stopped is started again.
        prefix: Put before the database names.
        statement_seconds: How long a statement of a search may take.
        setting: Where its address comes from, for errors.
    """

    def __init__(
        self,
        conninfo: Callable[[], str],
        prefix: str = "",
        statement_seconds: float = STATEMENT_SECONDS,
        setting: str = "MESHSEEK_DATABASE_URL",
    ) -> None:
        self.setting = setting
        self._version = ""
        self._part = ""
        self._statement_seconds = statement_seconds
        self._conninfo = conninfo
        self._prefix = prefix

    def database_name(self, algorithm: str) -> str:
        """The name of an algorithm's database."""
        return f"{self._prefix}{algorithm}_embeddings{self._version}{self._part}"

    def lasting_name(self, algorithm: str) -> str:
        """The same without what differs from version to version, for files."""
        return f"{self._prefix}{algorithm}_embeddings{self._part}"

    def with_part(self, token: str, number: int) -> Server:
        """The same server with the databases of one part of a version.

        Args:
            token: Of the version.
            number: Of the part.
        """
        other = copy(self)
        other._version, other._part = f"_{token}", f"_{number}"  # noqa: SLF001  # it is made here
        return other

    @property
    def place(self) -> str:
        """Host and port, to be shown.

        Raises:
            DatabaseError: Its address is none.
        """
        parts = conninfo_to_dict(self._address())
        return f"{parts.get('host') or 'localhost'}:{str(parts.get('port') or '').strip(',') or 5432}"

    def conninfo(self, algorithm: str) -> str:
        """Where an algorithm's database is, as libpq understands it.

        Raises:
            DatabaseError: The address is none; it is not quoted, for it may hold a password.
        """
        return self._address(dbname=self.database_name(algorithm), connect_timeout=CONNECT_SECONDS)

    def _address(self, **parts: str | int) -> str:
        try:
            return make_conninfo(self._conninfo(), **parts)
        except psycopg.ProgrammingError as error:
            message = "is no address of a database; write postgresql://user:password@host/postgres"
            raise DatabaseError(f"{self.setting} {message}") from error

    def shown_conninfo(self, algorithm: str) -> str:
        """The same without a password, to be shown."""
        return make_conninfo(**{key: value for key, value in self._parts(algorithm).items() if key != "password"})

    def password(self, algorithm: str) -> str | None:
        """The password, where there is one."""
        password = self._parts(algorithm).get("password")
        return None if password is None else str(password)

    def _parts(self, algorithm: str) -> dict[str, Any]:
        return dict(conninfo_to_dict(self.conninfo(algorithm)))

    @contextlib.contextmanager
    def connect(self, algorithm: str) -> Iterator[Connection]:
        """One connection of its own to an algorithm's database, for loading.

        Raises:
            DatabaseError: See :func:`translated`.
        """
        address = make_conninfo(self.conninfo(algorithm), **_LINK)
        with translated(self.setting), psycopg.connect(address, autocommit=True) as connection:
            yield connection

    @contextlib.contextmanager
    def connect_to_server(self) -> Iterator[Connection]:
        """One connection to no algorithm's database.

        Raises:
            DatabaseError: See :func:`translated`.
        """
        address = self._address(connect_timeout=CONNECT_SECONDS, **_LINK)
        with translated(self.setting), psycopg.connect(address, autocommit=True) as server:
            yield server

    @contextlib.contextmanager
    def look(self, algorithm: str) -> Iterator[Connection]:
        """One connection, for a quick look, in bounded time.

        Raises:
            DatabaseError: See :func:`translated`.
        """
        address = self._searching(algorithm)
        with translated(self.setting), BoundedConnection.connect(address, autocommit=True) as connection:
            connection.patience = self._statement_seconds + SILENCE_SECONDS
            yield connection

    def watching(self, algorithm: str, seconds: float) -> BoundedConnection:
        """A connection to look at what is live, which waits no longer than so many seconds for anything.

        Raises:
            psycopg.Error: It cannot be made.
        """
        address = make_conninfo(self._searching(algorithm), connect_timeout=max(2, round(seconds)))
        connection = BoundedConnection.connect(address, autocommit=True)
        connection.patience = seconds
        return connection

    def _searching(self, algorithm: str) -> str:
        session = _SESSION.format(1000 * self._statement_seconds)
        return make_conninfo(self.conninfo(algorithm), options=session, **_LINK)

    def pool(self, algorithm: str, size: int = POOL_SIZE) -> ConnectionPool[Connection]:
        """A small pool of warmed connections; opens in the background."""
        return ConnectionPool(
            lambda: self._searching(algorithm),
            connection_class=BoundedConnection,
            min_size=size,
            max_size=size,
            timeout=POOL_SECONDS,
            reconnect_timeout=POOL_SECONDS,
            kwargs={"autocommit": True},
            configure=self._configure,
            open=True,
            name=algorithm,
        )

    def _configure(self, connection: Connection) -> None:
        assert isinstance(connection, BoundedConnection)
        connection.patience = self._statement_seconds + SILENCE_SECONDS
        configure(connection)

    def create_database(self, algorithm: str) -> None:
        """Make an algorithm's database, with pgvector, where it is not there yet.

        Raises:
            DatabaseVersionError: pgvector is missing or too old.
        """
        name = sql.Identifier(self.database_name(algorithm))
        with self.connect_to_server() as server:
            server.execute(query("lock_creating"))
            if server.execute(query("database_exists"), {"name": self.database_name(algorithm)}).fetchone() is None:
                server.execute(sql.SQL("CREATE DATABASE {}").format(name))
            with self.connect(algorithm) as connection:
                try:
                    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
                except psycopg.errors.FeatureNotSupported as error:
                    raise DatabaseVersionError(
                        "this PostgreSQL has no pgvector; install pgvector 0.8.4 or newer"
                    ) from error
                check_pgvector(connection)
                connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = live, public").format(name))

    def drop_databases(self, names: Iterable[str]) -> None:
        """Remove databases, of those that are there, whoever is connected; those have five seconds to leave.

        Raises:
            DatabaseError: A name is longer than names are, so that another one might be meant; see :func:`translated`.
        """
        with self.connect_to_server() as server:
            for name in map(sql.Identifier, map(expect_short, names)):
                try:
                    server.execute(query("drop_database", name=name))
                except psycopg.errors.ObjectInUse:
                    server.execute(query("drop_database_in_use", name=name))


def expect_short(name: str) -> str:
    """The name of a database, unless PostgreSQL would cut it off.

    Raises:
        DatabaseError: It would.
    """
    if len(name) > LONGEST_NAME:
        raise DatabaseError("names of databases become too long; give a shorter MESHSEEK_DATABASE_PREFIX")
    return name


def configure(connection: Connection) -> None:
    """Let a connection read vectors and JSON."""
    register_vector(connection)
    set_json_loads(from_json, connection)  # twice as fast as the standard library's


@contextlib.contextmanager
def translated(setting: str = "MESHSEEK_DATABASE_URL") -> Iterator[None]:
    """Turn the driver's errors into ours.

    Args:
        setting: Where the address comes from.

    Raises:
        DatabaseDownError: The server cannot be reached or went away.
        NotPublishedError: The database or its tables are not there.
        DatabaseError: Anything else that the server refused.
    """
    try:
        yield
    except (
        psycopg.errors.InvalidCatalogName,
        psycopg.errors.UndefinedTable,
        psycopg.errors.InvalidSchemaName,
    ) as error:
        raise NotPublishedError("nothing is published; run 'meshseek publish' for this algorithm first") from error
    except psycopg.errors.DiskFull as error:
        raise DatabaseError(
            "the disk of the database is full; free some space and run the same command again"
        ) from error
    except psycopg.errors.QueryCanceled as error:
        raise DatabaseSlowError("the database took too long; ask for less at once, or publish with an index") from error
    except psycopg.errors.SerializationFailure as error:  # a replica has to replay what the statement still reads
        kind = DatabaseDownError if "recovery" in str(error) else DatabaseError
        raise kind(
            f"the database had to stop a statement ({_first_line(error)}); run the same command again"
        ) from error
    except psycopg.errors.DeadlockDetected as error:
        raise DatabaseError("another process changed the same tables; run the same command again") from error
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        if 'database "' in str(error) and "does not exist" in str(error):
            raise NotPublishedError("nothing is published; run 'meshseek publish' for this algorithm first") from error
        message = f"the database cannot be reached ({_first_line(error)}); start it or check {setting}"
        raise DatabaseDownError(message) from error
    except psycopg.Error as error:
        raise DatabaseError(f"the database refused: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
