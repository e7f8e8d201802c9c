"""Which version is live on several shards, and which of them answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from meshseek.errors import DatabaseDownError, DatabaseError, NotPublishedError
from meshseek.store.read.library import Library
from meshseek.store.read.published import VersionChangedError
from meshseek.store.read.reader import Reader
from meshseek.store.read.shard_look import GONE, STOPPING, RowLook, ShardLook, why
from meshseek.store.read.shard_version import ShardVersion
from meshseek.store.shards import LiveRow, Shards


class BegunAnewError(VersionChangedError):
    """What is asked has to be asked anew, of another version or of fewer shards."""


def named(number: int) -> str:
    """A shard as metrics name it."""
    return f"shard {number + 1}"


class LiveShards:
    """Gives the live version to those who read. Threads may share it.

    Args:
        shards: The servers.
        algorithm: Its name.
        codes: Folder of files of codes that processes share; None for codes in memory of its own.
    """

    def __init__(self, shards: Shards, algorithm: str, codes: Path | None) -> None:
        self._shards, self._algorithm, self._codes = shards, algorithm, codes
        self._open: ShardVersion | None = None
        self._failure: DatabaseError | None = None
        """Why the live version cannot be opened."""
        self._lock = Lock()
        self._is_closed = False
        self._row = RowLook(Reader(shards.first, algorithm), self._turn_to)

    @contextmanager
    def taken(self) -> Iterator[tuple[ShardVersion, list[int]]]:
        """The live version, which stays open within it, and the numbers of its parts that answer.

        Raises:
            NotPublishedError: Nothing is live.
            DatabaseDownError: A shard does not answer, and answers may not be partial.
            DatabaseError: The version lies on more shards than there are.
        """
        version = self._open
        if version is None:
            version = self._looked_up()
        with version.used():
            failures = version.failures
            if failures and (not self._shards.may_be_partial or len(failures) == len(version.parts)):
                raise self._down(*next(iter(failures.items())))
            yield version, [number for number in range(len(version.parts)) if number not in failures]

    def look(self) -> None:
        """Learn what is live now.

        Raises:
            NotPublishedError: Nothing is.
            DatabaseDownError: The first shard does not answer, and answers may not be partial.
        """
        try:
            self._looked_up()
        except DatabaseDownError:
            if self._open is None or not self._shards.may_be_partial:
                raise

    def failed(self, version: ShardVersion, number: int, error: DatabaseError) -> DatabaseError:
        """What is to be raised where a shard has failed while it was asked.

        Args:
            version: That was asked.
            number: Of the shard.
            error: What it said.
        """
        if self._is_closed:
            return DatabaseDownError(STOPPING)
        try:
            row: LiveRow | None = self._row.look()
        except NotPublishedError:
            row = None
        except DatabaseError:
            row = version.row  # nobody can tell, so it is still this one
        if row != version.row:
            return BegunAnewError()
        reason = GONE if isinstance(error, NotPublishedError) else why(error)
        version.looks[number].leave_out(reason)
        return BegunAnewError() if self._shards.may_be_partial else self._down(number, reason)

    def states(self) -> dict[str, bool]:
        """Whether each shard of the open version answers, by name; none does where none is open. Nobody is asked."""
        version = self._open
        if version is None:
            return dict.fromkeys(map(named, range(len(self._shards))), False)
        failures = version.failures
        return {named(number): number not in failures for number in range(len(version.parts))}

    def open_now(self) -> ShardVersion | None:
        """The version that is open; nobody is asked."""
        return self._open

    def close(self) -> None:
        """Close everything, for good."""
        self._is_closed = True
        self._row.close()
        with self._lock:
            version, self._open = self._open, None
        if version:
            version.close()

    def down(self, number: int) -> DatabaseDownError:
        """A shard that is not asked, as an error."""
        version = self._open
        return self._down(number, version.failures.get(number, "it did not answer") if version else "nothing is open")

    def _down(self, number: int, reason: str) -> DatabaseDownError:
        cure = "start it"
        if reason == GONE:
            cure = "name the same servers in the same order in MESHSEEK_SHARDS, or publish again"
        elif not self._shards.may_be_partial:
            cure = "start it, or set MESHSEEK_PARTIAL_ANSWERS=true to be answered by the others"
        error = DatabaseDownError(f"{self._shards.called(number)} does not answer ({reason}); {cure}")
        error.general = f"shard {number + 1} of {len(self._shards)} does not answer; try again in a moment"
        return error

    def _looked_up(self) -> ShardVersion:
        try:
            self._row.look()
        except DatabaseDownError as error:
            if self._is_closed:
                raise
            raise self._down(0, why(error)) from error
        version = self._open
        if version is None:
            raise self._failure or DatabaseDownError(STOPPING)
        return version

    def _turn_to(self, row: LiveRow) -> None:
        """Open a version in place of the one that was live before."""
        try:
            servers = self._shards.version(row, self._algorithm)
        except DatabaseError as error:
            self._failure, version = error, None
        else:
            readers = [Reader(server, self._algorithm) for server in servers]
            parts = [
                Library(server, self._algorithm, reader, self._codes, shards=len(servers))
                for server, reader in zip(servers, readers, strict=True)
            ]
            looks = [ShardLook(reader, self._shards.called(number)) for number, reader in enumerate(readers)]
            version = ShardVersion(row, parts, looks)
        with self._lock:
            former, self._open = self._open, None if self._is_closed else version
        if version is not None and self._is_closed:
            version.close()
        if former is not None:
            former.retire()
