"""Opens a published library, wherever it lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.store.read.live_shards import LiveShards
from meshseek.store.read.sharded import ShardedLibrary
from meshseek.store.read.spread import reader_of
from meshseek.store.shards import Shards


def open_library(
    databases: Server | Shards, algorithm: str, replicas: Sequence[Server] = (), codes: Path | None = None
) -> Library:
    """What is published of an algorithm, for one who closes it.

    Args:
        databases: One server, or shards.
        algorithm: Its name.
        replicas: Of the one server; see :mod:`meshseek.store.read.spread`.
        codes: Folder of files of codes that processes share; None for codes in memory of its own.

    Raises:
        DatabaseError: The address of a replica is none.
    """
    if isinstance(databases, Shards):
        return ShardedLibrary(LiveShards(databases, algorithm, codes), algorithm, len(databases))
    return Library(databases, algorithm, reader_of(algorithm, databases, replicas), codes)
