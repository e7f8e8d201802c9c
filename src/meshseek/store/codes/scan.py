"""All coarse codes compared with a query by faiss' fast scan (Andre, Kermarrec and Le Scouarnec, 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.store.codes.book import DIMENSIONS
from meshseek.store.codes.engine import faiss
from meshseek.store.codes.steps import padded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.codes.book import Book


class Scan:
    """The coarse codes of some vectors, packed for the processor. Threads may share it.

    An inverted file with a single list, for its searches take a selector, which those of the plain index do not.

    Args:
        book: What the codes mean.
        codes: Shape ``(n, coarse_bytes(dim))``; they are copied.
    """

    def __init__(self, book: Book, codes: NDArray[np.uint8]) -> None:
        dim = padded(book.dim)
        self._dim = book.dim
        self._mean = book.values[0]
        self._coarse = faiss.IndexFlatIP(dim)  # the list's centre; faiss does not keep it alive
        self._coarse.add(np.zeros((1, dim), dtype=np.float32))
        plain = faiss.IndexIVFPQ(self._coarse, dim, 1, dim // DIMENSIONS, 4, faiss.METRIC_INNER_PRODUCT)
        plain.by_residual = False
        faiss.copy_array_to_vector(np.ascontiguousarray(book.values[3:]).ravel(), plain.pq.centroids)
        plain.is_trained = True
        rows, content = np.arange(len(codes), dtype=np.int64), np.ascontiguousarray(codes)
        plain.invlists.add_entries(0, len(codes), faiss.swig_ptr(rows), faiss.swig_ptr(content))
        plain.ntotal = len(codes)
        self._packed: Any = faiss.IndexIVFPQFastScan(plain)

    def nearest(self, vector: NDArray[np.float32], count: int, passing: NDArray[np.uint8] | None) -> NDArray[np.int64]:
        """Rows of the nearest vectors, best first.

        Args:
            vector: The query, shape ``(dim,)``.
            count: How many at most.
            passing: A bit for each row, the first in the lowest bit, that is 1 where it may be given; None for all.
        """
        asked = np.zeros((1, len(self._mean)), dtype=np.float32)
        asked[0, : self._dim] = vector
        selector = None if passing is None else faiss.IDSelectorBitmap(passing)
        options = faiss.SearchParametersIVF(nprobe=1, sel=selector)
        faiss.omp_set_num_threads(1)  # of this thread: one query is too short to be shared out
        _, rows = self._packed.search(asked, count, params=options)
        kept: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return kept
