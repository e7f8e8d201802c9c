"""Measures loading views into the database beside COPY of the same bytes into the same kind of table, in one run."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from common import DIM, VIEWS, Report
from psycopg import Connection, sql

from meshseek.bootstrap import Meshseek
from meshseek.pipeline.centroid_spool import CentroidSpool
from meshseek.pipeline.library_state import LibraryState
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize, make_library
from meshseek.pipeline.vector_files import VectorFiles
from meshseek.reporting import ConsoleReporter, SilentReporter
from meshseek.settings import read_settings
from meshseek.store.queries import query
from meshseek.store.write.binary_copy import HEADER, TRAILER, Numbers, Vectors, pack_rows
from meshseek.store.write.publisher import create_tables, publishing

ROUNDS = 5
LIMIT = 0.9


def main() -> None:
    """Load in turn, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--views", type=int, default=200_000)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        meshseek = Meshseek(read_settings(workspace=Path(temporary)))
        size = LibrarySize(assets=arguments.views // VIEWS, views=VIEWS, dim=DIM)
        make_library(size, meshseek.workspace, ConsoleReporter())
        try:
            _compare(meshseek, arguments.views, arguments.json)
        finally:
            meshseek.close()


def _compare(meshseek: Meshseek, views: int, path: Path | None) -> None:
    vectors = VectorFiles.open(meshseek.workspace, ALGORITHM)
    library = LibraryState.read(meshseek.workspace, vectors, None)
    shown = library.wanted
    packed = _packed(vectors, shown)
    size = sum(len(piece) for piece in packed)
    times: dict[str, list[float]] = {"COPY of bytes in memory": [], "meshseek, from its shards": []}
    with publishing(meshseek.server, ALGORITHM, vectors.space, SilentReporter()) as publisher:
        connection = publisher.connection  # the same for both
        for _ in range(ROUNDS):
            times["COPY of bytes in memory"].append(_raw(connection, packed))
            with (
                publisher.loading(assets=0, vectors=0, views=0, graph_vectors=0) as loader,
                CentroidSpool(DIM, vectors.folder) as spool,
            ):
                started = time.perf_counter()
                loader.load_views(vectors.views(shown, lambda _: None, spool))
                times["meshseek, from its shards"].append(time.perf_counter() - started)
            connection.execute(query("drop_schema", schema=sql.Identifier("incoming")))
    report = Report(f"Loading {views:,} views, {size / views:,.0f} bytes a row")
    rates = {name: views / median(seconds) for name, seconds in times.items()}
    raw, ours = rates.values()
    rows: list[dict[str, Any]] = [{"path": name, "rows/s": round(rate)} for name, rate in rates.items()]
    report.table("load", [*rows, {"path": f"ratio (goal {LIMIT})", "rows/s": f"{ours / raw:.2f}"}])
    report.write(path)


def _packed(vectors: VectorFiles, shown: Any) -> list[memoryview]:
    with CentroidSpool(DIM, vectors.folder) as spool:
        return [
            piece
            for batch in vectors.views(shown, lambda _: None, spool)
            for piece in pack_rows(
                batch.ids,
                [
                    Numbers(batch.viewpoints, ">i2", batch.has_viewpoint),
                    Vectors(batch.vectors),
                    Numbers(batch.viewpoints * 0 + DIM, ">i4"),
                ],
            )
        ]


def _raw(connection: Connection[Any], packed: list[memoryview]) -> float:
    """Send what is packed already, in the transaction that makes the table."""
    with connection.transaction():
        connection.execute(query("create_schema", schema=sql.Identifier("incoming")))
        create_tables(connection, DIM)
        started = time.perf_counter()
        statement = "COPY image_embeddings FROM STDIN (FORMAT BINARY, FREEZE)"
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(HEADER)
            for piece in packed:
                copy.write(piece)
            copy.write(TRAILER)
        seconds = time.perf_counter() - started
    connection.execute(query("drop_schema", schema=sql.Identifier("incoming")))
    return seconds


if __name__ == "__main__":
    main()
