"""Builds indexes after a load, with memory and workers planned from the machine and progress shown."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import psutil
import psycopg
from psycopg import sql

from meshseek.errors import DatabaseError
from meshseek.model import NUMBER_FIELDS
from meshseek.processors import usable_processors
from meshseek.reporting import Reporter
from meshseek.store.indexes import Graph, NodeBytes
from meshseek.store.postgres import Connection
from meshseek.store.queries import query

ROW_BYTES = 64
PUBLISHED_ASSET_BYTES = 2100
"""Of an asset beside its vectors, with its words, labels and numbers and all indexes on them; measured are 2,020 for
made-up assets with a caption and some tags each. Those that say much of themselves take more.
"""
SECONDS_PER_VECTOR, MEASURED_AT, GROWTH = 1.2e-3, 20_000, 0.2
"""One process, 768 dimensions, so many vectors; each takes longer in a larger graph, by this power of its size: of
1,000,000 a graph took 25 minutes with two processes, while other work ran beside them."""
REMOTE_MEMORY = 1 << 30
PLAIN_MEMORY = 1 << 29
"""Bytes that an index of words, names or numbers may take while it is built: of more it gains nothing."""
FILTERED = ("text_embeddings", "asset_centroids")
"""Tables that are asked with filters."""
ORDERED = ("name", "faces", "size", "added")
"""What a catalogue is sorted by: each has an index, so that a page is read from it wherever it begins."""
LEAST_MEMORY = 64 << 20
POLL_SECONDS = 0.5
WORTH_TELLING = 10_000
"""A smaller index is built before its plan is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What building a graph takes."""

    rows: int
    needed: int
    """Bytes of memory that keep the whole graph."""
    disk: int
    """Bytes of the index on the disk."""
    memory: int
    """Bytes that are given."""
    workers: int
    """Processes beside the leading one."""
    seconds: float

    def __str__(self) -> str:
        given = "" if self.memory >= self.needed else f" (only {self.memory / 2**20:,.0f} MB are free, so it is slower)"
        space = f"{self.needed / 2**20:,.0f} MB of memory{given}, {self.disk / 2**20:,.0f} MB of disk"
        return f"{self.rows:,} vectors, {space}, {1 + self.workers} processes, about {self.seconds:,.0f} s"


def plan_build(rows: int, dim: int, node: NodeBytes, *, free: int, cores: int) -> BuildPlan:
    """Plan one graph.

    Args:
        rows: Vectors in it.
        dim: Length of a vector.
        node: What each takes.
        free: Bytes of memory that may be used.
        cores: Of the machine.
    """
    needed = rows * node.memory
    memory = max(LEAST_MEMORY, min(needed + needed // 10 + LEAST_MEMORY, free))
    workers = max(0, cores - 1)
    slower = 1.0 if memory >= needed else 2.1
    each = SECONDS_PER_VECTOR * (max(1, rows) / MEASURED_AT) ** GROWTH * (dim / 768)
    seconds = rows * each * slower / (1 + workers)
    disk = rows * node.disk
    return BuildPlan(rows=rows, needed=needed, disk=disk, memory=memory, workers=workers, seconds=seconds)


def vector_bytes(dim: int) -> int:
    """Bytes of a row with a vector of a length, beside what its graph or its codes take."""
    return 2 * dim + ROW_BYTES


def check_room(connection: Connection, needed: int) -> None:
    """Refuse a publication that the disk cannot hold, where the server is on this machine.

    Args:
        connection: To the server.
        needed: Bytes of the new version.

    Raises:
        DatabaseError: There is too little room; the message says how much is needed.
    """
    folder = _data_folder(connection)
    if folder is None:
        return
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise DatabaseError(
                f"the new version needs about {needed / 1e9:.1f} GB beside the live one, and the disk of the database "
                f"has {free / 1e9:.1f} GB free; free some space, or try with --max-assets"
            )


def build_graphs(connection: Connection, graphs: Sequence[Graph], dim: int, node: NodeBytes, watcher: Reporter) -> None:
    """Build the graphs one after the other.

    Raises:
        psycopg.Error: The server refuses.
    """
    local = _is_local(connection)
    cores = usable_processors()
    for graph in graphs:
        row = connection.execute(query("count_rows", table=sql.Identifier(graph.table))).fetchone()
        free = psutil.virtual_memory().available // 2 if local else REMOTE_MEMORY
        plan = plan_build(row[0] if row else 0, dim, node, free=free, cores=cores if local else 1)
        if plan.rows >= WORTH_TELLING:
            watcher.say(f"index on {graph.table}: {plan}")
        with watcher.bar(f"index {graph.table}", plan.rows) as advance, _followed(connection, advance):
            _build(connection, graph, plan, watcher)


def build_plain(connection: Connection) -> None:
    """Build the indexes that every kind has: by asset, by words and names, and by what is filtered by.

    Raises:
        psycopg.Error: The server refuses.
    """
    free = psutil.virtual_memory().available // 8 if _is_local(connection) else LEAST_MEMORY
    _set(connection, "maintenance_work_mem", f"{max(LEAST_MEMORY, min(free, PLAIN_MEMORY)) >> 20}MB")
    connection.execute(query("index_views_by_asset"))
    connection.execute(query("index_words"))
    connection.execute(query("index_names"))
    for table in map(sql.Identifier, FILTERED):
        connection.execute(query("index_labels", table=table))
        for column in NUMBER_FIELDS:
            connection.execute(query("index_number", table=table, column=sql.Identifier(column)))
    connection.execute(query("index_labels", table=sql.Identifier("listed")))
    for column in ORDERED:
        connection.execute(query("index_order", column=sql.Identifier(column)))


def _build(connection: Connection, graph: Graph, plan: BuildPlan, watcher: Reporter) -> None:
    _set(connection, "maintenance_work_mem", f"{plan.memory >> 20}MB")
    _set(connection, "max_parallel_maintenance_workers", plan.workers)
    try:
        connection.execute(graph.statement)
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory) as error:
        if "shared memory" not in str(error) or not plan.workers:
            raise
        watcher.say("too little shared memory (/dev/shm) for several processes; building with one, which takes longer")
        _set(connection, "max_parallel_maintenance_workers", 0)
        connection.execute(graph.statement)


def _set(connection: Connection, name: str, value: str | int) -> None:
    connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))


@contextlib.contextmanager
def _followed(connection: Connection, advance: Callable[[int], None]) -> Iterator[None]:
    """Tell how far the statement of another connection has come, as the server says."""
    ended = threading.Event()
    text, password, pid = connection.info.dsn, connection.info.password, connection.info.backend_pid

    def follow() -> None:
        told = 0
        with contextlib.suppress(psycopg.Error), psycopg.connect(text, password=password, autocommit=True) as other:
            while not ended.wait(POLL_SECONDS):
                row = other.execute(query("build_progress"), {"pid": pid}).fetchone()
                if row and row[0] > told:
                    advance(row[0] - told)
                    told = row[0]

    follower = threading.Thread(target=follow, name="index progress", daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _is_local(connection: Connection) -> bool:
    return connection.info.host.startswith(("/", "@"))


def _data_folder(connection: Connection) -> str | None:
    if not _is_local(connection):
        return None
    try:
        row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return str(row[0]) if row else None
