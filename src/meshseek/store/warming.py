"""Makes a process's first search as fast as the later ones."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from pgvector import HalfVector

from meshseek.store.queries import query
from meshseek.store.statements import statement

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

    from meshseek.store.postgres import Connection
    from meshseek.store.published import Published

CAPTION_COLUMNS = ("english_embedding", "chinese_embedding")


def warm(pool: ConnectionPool[Connection], published: Published) -> None:
    """Read tables and indexes into the server's memory, and let every connection of the pool make its plans.

    Raises:
        psycopg.Error: The server refuses.
    """
    vector = np.zeros(published.space.dim, dtype=np.float32)
    vector[0] = 1.0
    values = {"vector": HalfVector(vector), "limit": 20, "candidates": 40}
    names = [(published.index.captions_query, CAPTION_COLUMNS), (published.index.views_query, None)]
    with ExitStack() as held:
        connections = [held.enter_context(pool.connection()) for _ in range(pool.max_size)]
        with contextlib.suppress(psycopg.errors.UndefinedFunction, psycopg.errors.InsufficientPrivilege):
            connections[0].execute(query("prewarm"))
        if published.index_kind == "exact":
            return
        for connection in connections:
            for name, columns in names:
                connection.execute(
                    statement(name, columns, (), published.space.dim), values, prepare=True, binary=True
                ).fetchall()
