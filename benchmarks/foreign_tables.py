"""Searches a library on shards through ``postgres_fdw``: one server plans and asks, the shards scan.

It stands beside :mod:`shards`, to compare with a service that asks each shard itself. Both stages of a search on views
are as the service has them (nearest centroids by each shard's graph, then every view of these assets), as two
statements, for a lateral join would ask a shard once for each candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
from common import DEPTH, number_of
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from meshseek.store.postgres import Server
from meshseek.store.read.published import Breadth

DATABASE = "foreign_tables"
TABLES = {"asset_centroids": "centroid", "image_embeddings": "embedding"}
FOREIGN_TABLE = """
CREATE FOREIGN TABLE {} PARTITION OF {} FOR VALUES WITH (MODULUS {}, REMAINDER {}) SERVER {} OPTIONS ({})
"""
SETTINGS = """
SET enable_partition_pruning = off; -- rows lie by another hash than PostgreSQL's
SET enable_partitionwise_aggregate = on;
SET enable_sort = off; -- else it takes whole tables from the shards and sorts them itself
SET plan_cache_mode = force_generic_plan
"""
CANDIDATES = """
SELECT asset_id FROM asset_centroids ORDER BY centroid <=> %(vector)s::halfvec LIMIT %(candidates)s
"""
BEST_VIEWS = """
SELECT asset_id, min(embedding <=> %(vector)s::halfvec) AS distance FROM image_embeddings
WHERE asset_id = ANY(%(ids)s) GROUP BY asset_id ORDER BY distance, asset_id LIMIT %(limit)s
"""


class ForeignTables:
    """One server that sees the rows of all shards.

    Args:
        connection: To a database of its own, which has the foreign tables.
        candidates: Assets that the first stage passes on.
    """

    def __init__(self, connection: psycopg.Connection, candidates: int) -> None:
        self._connection = connection
        self._candidates = candidates

    def nearest(self, vector: NDArray[np.float32]) -> list[int]:
        """The numbers of the nearest ten assets by their best view."""
        values = {"vector": HalfVector(vector), "candidates": self._candidates, "limit": DEPTH}
        near = self._connection.execute(CANDIDATES, values, prepare=True)
        values["ids"] = [asset_id for (asset_id,) in near]
        best = self._connection.execute(BEST_VIEWS, values, prepare=True)
        return [number_of(asset_id) for asset_id, _ in best]

    def plan(self, vector: NDArray[np.float32]) -> list[str]:
        """What the shards are asked, as the planner says."""
        values = {"vector": HalfVector(vector), "candidates": self._candidates, "limit": DEPTH, "ids": ["none"]}
        lines = [
            line
            for statement in (CANDIDATES, BEST_VIEWS)
            for (line,) in self._connection.execute(f"EXPLAIN VERBOSE {statement}", values)
        ]
        return sorted({line.strip()[:150] for line in lines if "Remote SQL" in line or line.startswith("Limit")})


@contextmanager
def foreign_tables(
    coordinator: Server, shards: Sequence[Server], algorithm: str, dim: int, breadth: Breadth
) -> Iterator[ForeignTables]:
    """Make foreign tables of every shard's live version, in a database that is dropped afterwards.

    Args:
        coordinator: Has the database.
        shards: With the live version each.
        algorithm: That is published on them.
        dim: Of vectors.
        breadth: How widely one server would be asked.
    """
    coordinator.create_database(DATABASE)
    try:
        with psycopg.connect(coordinator.conninfo(DATABASE), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector; CREATE EXTENSION postgres_fdw")
            register_vector(connection)
            connection.execute(SETTINGS)
            for table, column in TABLES.items():
                connection.execute(
                    f"CREATE TABLE {table} (asset_id text, {column} halfvec({dim})) PARTITION BY HASH (asset_id)"
                )
            for number, shard in enumerate(shards):
                _add(connection, dict(conninfo_to_dict(shard.conninfo(algorithm))), (number, len(shards)), breadth.ef)
            yield ForeignTables(connection, breadth.candidates)
    finally:
        coordinator.drop_databases([coordinator.database_name(DATABASE)])


def _add(connection: psycopg.Connection, address: dict[str, Any], part: tuple[int, int], ef: int) -> None:
    """Add the tables of one shard; part is its number and that of all."""
    name = f"shard_{part[0]}"
    options = {key: str(address[key]) for key in address.keys() & {"host", "port", "dbname"}}
    options |= {"extensions": "vector", "async_capable": "true", "use_remote_estimate": "true", "fetch_size": "200"}
    options["options"] = f"-c hnsw.ef_search={ef}"
    user = {key: str(address[key]) for key in address.keys() & {"user", "password"}}
    connection.execute(
        sql.SQL("CREATE SERVER {} FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({})").format(
            sql.Identifier(name), _options(options)
        )
    )
    connection.execute(
        sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER {} OPTIONS ({})").format(
            sql.Identifier(name), _options(user)
        )
    )
    for table in TABLES:
        connection.execute(
            sql.SQL(FOREIGN_TABLE).format(
                sql.Identifier(f"{table}_{part[0]}"),
                sql.Identifier(table),
                sql.Literal(part[1]),
                sql.Literal(part[0]),
                sql.Identifier(name),
                _options({"schema_name": "live", "table_name": table}),
            )
        )


def _options(options: dict[str, str]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(key), sql.Literal(value)) for key, value in options.items()
    )
