"""Coarse codes compared with a query by faiss' fast scan (Andre, Kermarrec and Le Scouarnec, 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshseek.store.codes.book import DIMENSIONS
from meshseek.store.codes.engine import faiss
from meshseek.store.codes.steps import padded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.codes.book import Book
    from meshseek.store.codes.masks import Rows


LEAST: Final = 100_000
"""Codes that are compared at least, of those that pass: about half a millisecond."""
SCANNED: Final = 25
"""Codes that are compared at least for each one that is followed."""
SHARE: Final = 1 / 16
"""Of all that pass, the part that is compared at least."""


class Scan:
    """The coarse codes of some vectors, packed for the processor. Threads may share it.

    Args:
        book: What the codes mean.
        lists: Which one each vector is in, shape ``(n,)``.
        codes: Shape ``(n, coarse_bytes(dim))``; they are copied.
    """

    def __init__(self, book: Book, lists: NDArray[np.uint16], codes: NDArray[np.uint8]) -> None:
        dim, count = padded(book.dim), len(book.centres)
        self._centres = np.ascontiguousarray(book.centres)
        self._sizes = np.bincount(lists, minlength=count)
        self._unused = faiss.IndexFlatIP(dim)  # would choose lists, which is done here; faiss does not keep it alive
        plain = faiss.IndexIVFPQ(self._unused, dim, count, dim // DIMENSIONS, 4, faiss.METRIC_INNER_PRODUCT)
        plain.by_residual = True
        faiss.copy_array_to_vector(book.products, plain.pq.centroids)
        plain.is_trained = True
        order = np.argsort(lists, kind="stable")
        for number, rows in enumerate(np.split(order, np.cumsum(self._sizes)[:-1])):
            content = codes[rows]
            plain.invlists.add_entries(number, len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(content))
        plain.ntotal = len(codes)
        self._packed: Any = faiss.IndexIVFPQFastScan(plain)

    def nearest(self, vector: NDArray[np.float32], count: int, passing: Rows | None) -> NDArray[np.int64]:
        """Rows of the nearest vectors, best first, of the nearest lists that hold enough of those that pass.

        Args:
            vector: The query, shape ``(dim,)``.
            count: How many at most.
            passing: Which rows may be given; None for all.
        """
        faiss.omp_set_num_threads(1)  # of this thread: one query is too short to be shared out
        asked = np.zeros(self._centres.shape[1], dtype=np.float32)
        asked[: len(vector)] = vector
        closeness = np.vecdot(self._centres, asked)
        order = np.argsort(-closeness)
        held = np.cumsum((self._sizes if passing is None else passing.of_lists)[order])
        probes = min(len(held), 1 + int(np.searchsorted(held, max(LEAST, SCANNED * count, SHARE * held[-1]))))
        selector = None if passing is None else faiss.IDSelectorBitmap(passing.bits)
        options = faiss.SearchParametersIVF(nprobe=probes, sel=selector)
        order = order[:probes]
        closeness = closeness[order]
        scores, rows = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.int64)
        pointers = [faiss.swig_ptr(each) for each in (order, closeness, scores, rows)]
        self._packed.search_preassigned_c(1, faiss.swig_ptr(asked), count, *pointers, False, options)  # noqa: FBT003  # faiss has no names
        return rows[rows >= 0]
