"""Publishes an algorithm on several shards: each makes its part of a version, and one row makes all of them live."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import dict_row

from meshseek.errors import DatabaseError
from meshseek.model import Space
from meshseek.reporting import Reporter, SilentReporter
from meshseek.store.postgres import Connection, translated
from meshseek.store.queries import query
from meshseek.store.read.shard_version import ShardVersion
from meshseek.store.read.sharded import ShardedLibrary
from meshseek.store.read.versions import at_random
from meshseek.store.schema import CURRENT
from meshseek.store.shards import LiveRow, Shards, live_row
from meshseek.store.write.description import Calibrate, calibrated, describe
from meshseek.store.write.live import live_schema
from meshseek.store.write.publisher import STANDING, Publisher, publishing, publishing_alone
from meshseek.store.write.split_loading import SplitLoader

T = TypeVar("T")
TOKEN_BYTES: Final = 6
AGAIN_SECONDS: Final = 0.2
"""How often shards are told to stop: one that is between two statements does not hear it."""
CANCEL_SECONDS: Final = 5.0
"""How long a server is told."""


class FixedShards:
    """The parts of a version that is not live, as a library takes them.

    Args:
        version: It.
    """

    def __init__(self, version: ShardVersion) -> None:
        self._version = version

    @contextmanager
    def taken(self) -> Iterator[tuple[ShardVersion, Sequence[int]]]:
        """The version, and the numbers of all its parts."""
        yield self._version, range(len(self._version.parts))

    def look(self) -> None:
        """There is nothing else."""

    def failed(self, version: ShardVersion, number: int, error: DatabaseError) -> Exception:
        """The same error."""
        del version, number
        return error

    def down(self, number: int) -> DatabaseError:
        """Never asked for: all are there."""
        return DatabaseError(f"shard {number + 1} is not there")

    def open_now(self) -> ShardVersion | None:
        """It."""
        return self._version

    def states(self) -> dict[str, bool]:
        """Nobody asks."""
        return {}

    def close(self) -> None:
        """Close the parts."""
        self._version.close()


class ShardedPublisher:
    """One publishing session of one algorithm; see :func:`publishing_on_shards`.

    Args:
        shards: The servers.
        algorithm: Its name.
        row: What is to be live.
        control: Connection to the first shard, which keeps others from publishing.
        publishers: Of the parts.
    """

    def __init__(
        self, shards: Shards, algorithm: str, row: LiveRow, control: Connection, publishers: Sequence[Publisher]
    ) -> None:
        self._shards, self._algorithm = shards, algorithm
        self._row = row
        self._control = control
        self._publishers = publishers

    @contextmanager
    def loading(
        self, *, assets: int, vectors: int, views: int, graph_vectors: int, index_kind: str = "exact"
    ) -> Iterator[SplitLoader]:
        """Make the tables of a new version on each shard, and load them; see :meth:`Publisher.loading`."""
        sizes = {"assets": assets, "vectors": vectors, "views": views, "graph_vectors": graph_vectors}
        each = {name: -(-count // len(self._publishers)) for name, count in sizes.items()}
        with ExitStack() as stack:
            yield SplitLoader(
                [
                    stack.enter_context(publisher.loading(**each, index_kind=index_kind))
                    for publisher in self._publishers
                ]
            )

    def finish(
        self, index_kind: str, content: str, world: str, calibrate: Calibrate, codes: Path | None = None
    ) -> dict[str, int]:
        """Describe the new version, build and calibrate it, and make it live on all shards in one step.

        See :meth:`Publisher.finish`. Everything before the last step is seen by nobody.
        """
        description = describe(self._publishers[0].space, index_kind, content, world)
        parts = self._together(lambda publisher: publisher.describe(description))
        counts = {name: sum(part[name] for part in parts) for name in parts[0]}
        self._keep_background()
        self._together(lambda publisher: publisher.build(index_kind, chinese=counts["chinese_captions"] > 0))
        self._together(lambda publisher: publisher.connection.execute(query("tell_totals"), counts))
        measured = self._measured_before(description)
        opened = [publisher.library(codes, len(self._publishers)) for publisher in self._publishers]
        version = ShardVersion(None, opened)
        library = ShardedLibrary(FixedShards(version), self._algorithm, len(opened))
        with closing(library):
            calibration = calibrated(library, calibrate, description, counts)
            for publisher in self._publishers:
                publisher.keep(calibration)
                publisher.switch()
                for tuning in measured:
                    publisher.connection.execute(query("keep_tuning"), {**tuning, "content": content})
            self._go_live()
            library.go_live()
        return counts

    def _go_live(self) -> None:
        """The one step."""
        self._control.execute(query("make_live"), {"token": self._row.token})

    def _keep_background(self) -> None:
        """Of the assets that stand for each part, keep those that stand for the whole."""
        told = self._together(lambda publisher: publisher.connection.execute(query("background_ranks")).fetchall())
        every = sorted((row for rows in told for row in rows), key=lambda row: at_random(row[0]))
        captions = [asset_id for asset_id, has_captions, _ in every if has_captions]
        views = [asset_id for asset_id, _, has_views in every if has_views]
        kept = [*captions[:STANDING], *views[:STANDING]]
        for publisher in self._publishers:
            publisher.connection.execute(query("keep_background"), {"ids": kept})

    def _measured_before(self, description: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What was measured of the live version holds for the next one of its kind, until it is measured anew."""
        row = live_row(self._control)
        if row is None:
            return []
        try:
            with self._shards.first_part(row).connect(self._algorithm) as connection, translated():
                if live_schema(connection) != CURRENT:
                    return []
                with connection.cursor(row_factory=dict_row) as cursor:
                    return cursor.execute(query("tunings_of_kind"), description).fetchall()
        except DatabaseError:  # it lay on other servers, or is damaged: the new one does not depend on it
            return []

    def _together(self, do: Callable[[Publisher], T]) -> list[T]:
        """Do something on all shards at the same time; where one fails, the others are stopped."""

        def do_there(number: int) -> T:
            with self._shards.naming(number):
                return do(self._publishers[number])

        with ThreadPoolExecutor(len(self._publishers), thread_name_prefix="publish") as executor:
            begun = [executor.submit(do_there, number) for number in range(len(self._publishers))]
            try:
                for ended in as_completed(begun):
                    ended.result()
            except BaseException:  # an interruption, too, is not to wait for hours until the others are done
                while wait(begun, timeout=AGAIN_SECONDS).not_done:
                    self._cancel()
                raise
            return [ended.result() for ended in begun]

    def _cancel(self) -> None:
        """Stop the statements that run."""
        for publisher in self._publishers:
            with contextlib.suppress(psycopg.Error):
                publisher.connection.cancel_safe(timeout=CANCEL_SECONDS)


@contextmanager
def publishing_on_shards(shards: Shards, algorithm: str, space: Space, watcher: Reporter) -> Iterator[ShardedPublisher]:
    """Make room for a new version on all shards; the live one stays as it is until :meth:`ShardedPublisher.finish`.

    Whatever happens, what is not live is removed at the end, and by the next publication where that cannot be.

    Raises:
        DatabaseError: Another process is publishing the same algorithm, or a shard cannot be reached or refuses.
    """
    row = LiveRow(secrets.token_hex(TOKEN_BYTES), len(shards))
    servers = shards.version(row, algorithm)
    with ExitStack() as alone:
        with shards.naming(0):
            control = alone.enter_context(publishing_alone(shards.first, algorithm))
        control.execute(query("make_live_row"))
        _remove_former(control, shards, algorithm)
        control.execute(query("begin_version"), row._asdict())
        try:
            with ExitStack() as stack:
                publishers = []
                for number, server in enumerate(servers):
                    its_watcher = SilentReporter() if number else watcher
                    with shards.naming(number):
                        publishers.append(stack.enter_context(publishing(server, algorithm, space, its_watcher)))
                yield ShardedPublisher(shards, algorithm, row, control, publishers)
        finally:
            with contextlib.suppress(DatabaseError):
                _remove_former(control, shards, algorithm)


def remove_former(shards: Shards, algorithm: str) -> None:
    """Remove what is not live, where nobody publishes just now.

    Raises:
        DatabaseError: The first shard cannot be reached or refuses.
    """
    with shards.first.connect(algorithm) as connection, translated():
        if not connection.execute(query("versions_not_live")).fetchall():
            return
        row = connection.execute(query("lock_publishing")).fetchone()
        if row and row[0]:
            _remove_former(connection, shards, algorithm)


def _remove_former(control: Connection, shards: Shards, algorithm: str) -> None:
    """Remove the databases of versions that are not live, whoever holds the lock for publishing.

    Those on a server that is away, or named no longer, are left, and removed when it is there again.
    """
    with translated():
        former = [LiveRow(*row) for row in control.execute(query("versions_not_live")).fetchall()]
    for row in former:
        is_gone = row.shards <= len(shards)  # else some of it lies where a later publication may look
        for server in shards.servers:  # they may have been named in another order
            try:
                server.drop_databases(
                    server.with_part(row.token, n).database_name(algorithm) for n in range(row.shards)
                )
            except DatabaseError:
                is_gone = False
        if is_gone:
            with contextlib.suppress(DatabaseError), translated():
                control.execute(query("forget_version"), {"token": row.token})
