"""Other engines over the same views, each behind one form: settings to try, and a search in each."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Ask = Callable[[NDArray[np.float32]], Sequence[int]]
"""From a query to rows of the views, best first."""
Engine = Callable[[Vectors], Iterator[tuple[str, Ask]]]

M, CONSTRUCTION = 16, 128
EFS = (40, 60, 80, 120, 160, 240, 320, 400, 480, 560, 640, 720, 800, 1000)
"""So many views are asked for, as the distinct ten assets are among them, and the graph's search keeps as many."""


def faiss(vectors: Vectors) -> Iterator[tuple[str, Ask]]:
    """HNSW in this process: the limit."""
    import faiss as library

    library.omp_set_num_threads(2)
    index = library.IndexHNSWFlat(vectors.shape[1], M, library.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = CONSTRUCTION
    index.add(vectors)
    library.omp_set_num_threads(1)
    for ef in EFS:
        index.hnsw.efSearch = ef

        def ask(vector: NDArray[np.float32], ef: int = ef) -> Sequence[int]:
            rows: Sequence[int] = index.search(vector[None], ef)[1][0]
            return rows

        yield f"ef {ef}", ask


def hnswlib(vectors: Vectors) -> Iterator[tuple[str, Ask]]:
    """HNSW in this process."""
    import hnswlib as library

    index = library.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), ef_construction=CONSTRUCTION, M=M)
    index.add_items(vectors, num_threads=2)
    index.set_num_threads(1)
    for ef in EFS:
        index.set_ef(ef)

        def ask(vector: NDArray[np.float32], ef: int = ef) -> Sequence[int]:
            rows: Sequence[int] = index.knn_query(vector, ef)[0][0]
            return rows

        yield f"ef {ef}", ask


def usearch(vectors: Vectors) -> Iterator[tuple[str, Ask]]:
    """HNSW over half precision in this process."""
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=M, expansion_add=CONSTRUCTION)
    index.add(np.arange(len(vectors)), vectors, threads=2)
    for ef in EFS:
        index.expansion_search = ef

        def ask(vector: NDArray[np.float32], ef: int = ef) -> Sequence[int]:
            rows: Sequence[int] = index.search(vector, ef, threads=1).keys
            return rows

        yield f"ef {ef}", ask


def lancedb(vectors: Vectors) -> Iterator[tuple[str, Ask]]:
    """IVF with HNSW over quantized vectors, on disk, with exact refinement."""
    import lancedb as library
    import pyarrow as pa

    folder = Path(tempfile.mkdtemp(prefix="lancedb "))
    try:
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
        rows = pa.table({"row": pa.array(range(len(vectors))), "vector": flat})
        table = library.connect(str(folder)).create_table("views", rows)
        table.create_index(
            metric="dot",
            vector_column_name="vector",
            index_type="IVF_HNSW_SQ",
            num_partitions=4,
            m=M,
            ef_construction=CONSTRUCTION,
        )
        for ef in EFS[::2]:

            def ask(vector: NDArray[np.float32], ef: int = ef) -> Sequence[int]:
                asked = table.search(vector).distance_type("dot").nprobes(4).ef(2 * ef).refine_factor(2)
                found: Sequence[int] = asked.select(["row", "_distance"]).limit(ef).to_arrow()["row"].to_pylist()
                return found

            yield f"ef {ef}", ask
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def chromadb(vectors: Vectors) -> Iterator[tuple[str, Ask]]:
    """HNSW behind Chroma's own store, on disk."""
    import chromadb as library

    folder = Path(tempfile.mkdtemp(prefix="chromadb "))
    try:
        client = library.PersistentClient(str(folder))
        hnsw: dict[str, Any] = {"space": "ip", "ef_construction": CONSTRUCTION, "max_neighbors": M}
        collection = client.create_collection("views", configuration={"hnsw": hnsw})
        for start in range(0, len(vectors), 5000):
            lot = vectors[start : start + 5000]
            collection.add(ids=[str(start + n) for n in range(len(lot))], embeddings=lot)
        for ef in EFS[::2]:
            collection.modify(configuration={"hnsw": {"ef_search": ef}})

            def ask(vector: NDArray[np.float32], ef: int = ef) -> Sequence[int]:
                answer = collection.query(query_embeddings=vector[None], n_results=ef, include=["distances"])
                return [int(row) for row in answer["ids"][0]]

            yield f"ef {ef}", ask
    finally:
        shutil.rmtree(folder, ignore_errors=True)


ENGINES: dict[str, Engine] = {
    "faiss": faiss,
    "hnswlib": hnswlib,
    "usearch": usearch,
    "lancedb": lancedb,
    "chromadb": chromadb,
}


def timed(engine: Engine, vectors: Vectors) -> tuple[float, Iterator[tuple[str, Ask]]]:
    """How long an engine takes to build, and its settings."""
    started = time.monotonic()
    settings = engine(vectors)
    first = next(settings)
    seconds = time.monotonic() - started

    def every() -> Iterator[tuple[str, Ask]]:
        yield first
        yield from settings

    return seconds, every()
