"""Coarse codes compared with a query by faiss' fast scan (Andre, Kermarrec and Le Scouarnec, 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.store.codes.book import DIMENSIONS
from meshseek.store.codes.engine import faiss
from meshseek.store.codes.steps import padded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.codes.book import Book
    from meshseek.store.codes.lists import NearLists
    from meshseek.store.codes.masks import Rows


class Scan:
    """The coarse codes of some vectors, packed for the processor. Threads may share it.

    Args:
        book: What the codes mean.
        lists: Which one each vector is in, shape ``(n,)``.
        codes: Shape ``(n, coarse_bytes(dim))``; they are copied.
    """

    def __init__(self, book: Book, lists: NDArray[np.uint16], codes: NDArray[np.uint8]) -> None:
        dim, count = padded(book.dim), len(book.centres)
        ends = np.cumsum(np.bincount(lists, minlength=count))[:-1]
        self._unused = faiss.IndexFlatIP(dim)  # would choose lists, which is done here; faiss does not keep it alive
        plain = faiss.IndexIVFPQ(self._unused, dim, count, dim // DIMENSIONS, 4, faiss.METRIC_INNER_PRODUCT)
        plain.by_residual = True
        faiss.copy_array_to_vector(book.products, plain.pq.centroids)
        plain.is_trained = True
        order = np.argsort(lists, kind="stable")
        for number, rows in enumerate(np.split(order, ends)):
            content = codes[rows]
            plain.invlists.add_entries(number, len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(content))
        plain.ntotal = len(codes)
        self._packed: Any = faiss.IndexIVFPQFastScan(plain)

    def nearest(self, near: NearLists, count: int, passing: Rows | None) -> NDArray[np.int64]:
        """Rows of the vectors that are nearest to a query, best first.

        Args:
            near: The query, and the lists that are looked in.
            count: How many at most.
            passing: Which rows may be given; None for all.
        """
        faiss.omp_set_num_threads(1)  # of this thread: one query is too short to be shared out
        selector = None if passing is None else faiss.IDSelectorBitmap(passing.bits)
        options = faiss.SearchParametersIVF(nprobe=len(near.order), sel=selector)
        scores, rows = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.int64)
        asked, *pointers = [faiss.swig_ptr(each) for each in (near.asked, near.order, near.closeness, scores, rows)]
        self._packed.search_preassigned_c(1, asked, count, *pointers, False, options)  # noqa: FBT003  # faiss has no names
        return rows[rows >= 0]
