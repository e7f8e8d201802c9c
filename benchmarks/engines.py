"""Other engines over the same vectors, each behind one form: settings to try, and a search in each."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.float16]
Ask = Callable[[NDArray[np.float32]], Sequence[int]]
"""From a query to rows of the views, best first."""
Engine = Callable[[Halves, int], Iterator[tuple[str, Ask]]]
"""Made of vectors, and of a number that tells one of several graphs of the same vectors from another."""

M, CONSTRUCTION = 16, 128
LOT = 5000
"""Vectors that are handed over at a time, in single precision."""
EFS = (40, 60, 80, 120, 160, 240, 320, 400, 480, 560, 640, 720, 800, 1000)
"""So many views are asked for, as the distinct ten assets are among them, and the graph's search keeps as many."""


def faiss(vectors: Halves, seed: int) -> Iterator[tuple[str, Ask]]:
    """HNSW in this process: the limit."""
    import faiss as library

    library.omp_set_num_threads(2)
    index = library.IndexHNSWFlat(vectors.shape[1], M, library.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = CONSTRUCTION
    index.hnsw.rng = library.RandomGenerator(12345 + seed)
    order = np.random.default_rng(seed).permutation(len(vectors)) if seed else np.arange(len(vectors))
    for start in range(0, len(order), LOT):
        index.add(vectors[order[start : start + LOT]].astype(np.float32))
    library.omp_set_num_threads(1)
    for ef in EFS:
        index.hnsw.efSearch = ef

        def ask(vector: NDArray[np.float32], ef: int = ef) -> Sequence[int]:
            rows: Sequence[int] = order[index.search(vector[None], ef)[1][0]]
            return rows

        yield f"ef {ef}", ask


def hnswlib(vectors: Halves, seed: int) -> Iterator[tuple[str, Ask]]:
    """HNSW in this process."""
    import hnswlib as library

    index = library.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), ef_construction=CONSTRUCTION, M=M, random_seed=100 + seed)
    for start, lot in _lots(vectors):
        index.add_items(lot, np.arange(start, start + len(lot)), num_threads=2)
    index.set_num_threads(1)
    for ef in EFS:
        index.set_ef(ef)

        def ask(vector: NDArray[np.float32], ef: int = ef) -> Sequence[int]:
            rows: Sequence[int] = index.knn_query(vector, ef)[0][0]
            return rows

        yield f"ef {ef}", ask


def usearch(vectors: Halves, seed: int) -> Iterator[tuple[str, Ask]]:
    """HNSW over half precision in this process."""
    from usearch.index import Index

    del seed  # it takes none
    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=M, expansion_add=CONSTRUCTION)
    index.add(np.arange(len(vectors)), vectors, threads=2)
    for ef in EFS:
        index.expansion_search = ef

        def ask(vector: NDArray[np.float32], ef: int = ef) -> Sequence[int]:
            rows: Sequence[int] = index.search(vector, ef, threads=1).keys
            return rows

        yield f"ef {ef}", ask


def lancedb(vectors: Halves, seed: int) -> Iterator[tuple[str, Ask]]:
    """IVF with HNSW over quantized vectors, on disk, with exact refinement."""
    import lancedb as library
    import pyarrow as pa

    del seed  # it takes none
    folder = Path(tempfile.mkdtemp(prefix="lancedb "))

    def rows() -> Iterator[Any]:
        for start, lot in _lots(vectors):
            flat = pa.FixedSizeListArray.from_arrays(pa.array(lot.reshape(-1)), vectors.shape[1])
            yield pa.record_batch({"row": pa.array(range(start, start + len(lot))), "vector": flat})

    try:
        kind = pa.schema({"row": pa.int64(), "vector": pa.list_(pa.float32(), vectors.shape[1])})
        table = library.connect(str(folder)).create_table("views", rows(), schema=kind)
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


def chromadb(vectors: Halves, seed: int) -> Iterator[tuple[str, Ask]]:
    """HNSW behind Chroma's own store, on disk."""
    import chromadb as library

    del seed  # it takes none
    folder = Path(tempfile.mkdtemp(prefix="chromadb "))
    try:
        client = library.PersistentClient(str(folder))
        hnsw: dict[str, Any] = {"space": "ip", "ef_construction": CONSTRUCTION, "max_neighbors": M}
        collection = client.create_collection("views", configuration={"hnsw": hnsw})
        for start, lot in _lots(vectors):
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


def _lots(vectors: Halves) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The row of the first of some vectors, and these."""
    for start in range(0, len(vectors), LOT):
        yield start, vectors[start : start + LOT].astype(np.float32)


def timed(engine: Engine, vectors: Halves, seed: int = 0) -> tuple[float, Iterator[tuple[str, Ask]]]:
    """How long an engine takes to build, and its settings."""
    started = time.monotonic()
    settings = engine(vectors, seed)
    first = next(settings)
    seconds = time.monotonic() - started

    def every() -> Iterator[tuple[str, Ask]]:
        yield first
        yield from settings

    return seconds, every()
