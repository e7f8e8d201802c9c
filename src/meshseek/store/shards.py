"""Several servers that hold one library together: each asset on one of them, and one row that says what is live."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import psycopg

from meshseek.errors import DatabaseError, NotPublishedError, SettingsError
from meshseek.store.postgres import Connection, Server, expect_short, translated
from meshseek.store.queries import query


class LiveRow(NamedTuple):
    """What the first shard says is live on all of them."""

    token: str
    shards: int
    """How many it was published on: the first so many of those that are named."""


class Shards:
    """The servers, in an order that stays.

    Each version has databases of its own, which nobody looks for before the row on the first shard names its token.

    Args:
        servers: Where the shards are.
        may_be_partial: Whether what the others say is an answer where one is down.

    Raises:
        DatabaseError: The address of one is none.
    """

    def __init__(self, servers: Sequence[Server], *, may_be_partial: bool = False) -> None:
        self.servers = servers
        self._places = [server.place for server in servers]
        self.may_be_partial = may_be_partial

    def __len__(self) -> int:
        """How many there are."""
        return len(self.servers)

    @property
    def first(self) -> Server:
        """The one that has the row."""
        return self.servers[0]

    def called(self, number: int) -> str:
        """A shard as errors name it.

        Args:
            number: 0 for the first one.
        """
        return f"shard {number + 1} of {len(self)} ({self._places[number]})"

    @contextmanager
    def naming(self, number: int) -> Iterator[None]:
        """Let the errors of a shard name it.

        Args:
            number: 0 for the first one.

        Raises:
            DatabaseError: Its part of the version is not there, or it cannot be reached or refuses.
        """
        try:
            with translated(self.servers[number].setting):
                yield
        except NotPublishedError as error:
            raise DatabaseError(
                f"{self.called(number)}: its part of the version is not there; name the same servers in the same order "
                "in MESHSEEK_SHARDS, or publish again"
            ) from error
        except DatabaseError as error:
            raise type(error)(f"{self.called(number)}: {error}") from error

    def database_name(self, algorithm: str) -> str:
        """What the names of all databases of an algorithm begin with."""
        return self.first.database_name(algorithm)

    def version(self, row: LiveRow, algorithm: str) -> list[Server]:
        """The servers with the databases of one version.

        Raises:
            DatabaseError: It lies on more shards than there are, or the names are too long.
        """
        if row.shards > len(self):
            raise DatabaseError(
                f"'{algorithm}' was published on {row.shards} shards, and MESHSEEK_SHARDS names {len(self)}: name all "
                "of them in the same order, or publish again"
            )
        found = [server.with_part(row.token, number) for number, server in enumerate(self.servers[: row.shards])]
        expect_short(found[-1].database_name(algorithm))
        return found

    def live(self, algorithm: str) -> list[Server]:
        """The servers with the databases of the live version; none where nothing is published.

        Raises:
            DatabaseError: The first shard cannot be asked, or the version lies on more shards than there are.
        """
        row = self.live_row(algorithm)
        return [] if row is None else self.version(row, algorithm)

    def live_row(self, algorithm: str) -> LiveRow | None:
        """What is live, as the first shard says; None where nothing is published.

        Raises:
            DatabaseError: It cannot be asked.
        """
        with self.naming(0):
            try:
                with self.first.connect(algorithm) as connection:
                    return live_row(connection)
            except NotPublishedError:
                return None

    def first_part(self, row: LiveRow) -> Server:
        """The first shard with the databases of a version, which tell what is the same on all of them."""
        return self.first.with_part(row.token, 0)


def shard_of(asset_id: str, shards: int) -> int:
    """The shard that an asset lies on, 0 for the first: the same wherever and whenever it is asked."""
    digest = hashlib.blake2b(asset_id.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards


def live_connections(databases: Server | Shards, algorithm: str) -> list[AbstractContextManager[Connection]]:
    """Each makes a connection to one of the databases that hold together what is live; of shards none where nothing is.

    Raises:
        DatabaseError: The first shard cannot be asked. Each raises it, too: its part is not there, or cannot be asked.
    """
    if isinstance(databases, Shards):
        parts = enumerate(databases.live(algorithm))
        return [_connected(databases, number, part, algorithm) for number, part in parts]
    return [databases.connect(algorithm)]


@contextmanager
def _connected(shards: Shards, number: int, part: Server, algorithm: str) -> Iterator[Connection]:
    with shards.naming(number), part.connect(algorithm) as connection:
        yield connection


def describing_server(databases: Server | Shards, algorithm: str) -> Server | None:
    """A server whose database of this name describes the whole of what is live; of shards None where nothing is.

    Raises:
        DatabaseError: The first shard cannot be asked.
    """
    if not isinstance(databases, Shards):
        return databases
    row = databases.live_row(algorithm)
    return None if row is None else databases.first_part(row)


def live_row(connection: Connection) -> LiveRow | None:
    """What is live, as the first shard says; None where nothing is published."""
    try:
        row = connection.execute(query("live_row")).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return LiveRow(*row) if row else None


def expect_one_server(shards: int) -> None:
    """Refuse what does not know shards.

    Args:
        shards: How many are named.

    Raises:
        SettingsError: Any are.
    """
    if shards:
        raise SettingsError(
            "this knows one database server, and MESHSEEK_SHARDS names several; for one of them set MESHSEEK_SHARDS='' "
            "and MESHSEEK_DATABASE_URL to its address"
        )
