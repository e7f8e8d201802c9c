"""Which lists of codes a query is looked for in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.codes.book import Book

LEAST: Final = 100_000
"""Codes that are compared at least, of those that pass: about half a millisecond."""
SCANNED: Final = 25
"""Codes that are compared at least for each one that is followed."""
SHARE: Final = 1 / 16
"""Of all that pass, the part that is compared at least."""
LATER: Final = 4
"""What was added later is looked for in so many times as many lists: it need not be like what they were learnt from. In
all of them it would cost more than its few codes do: a list costs as much as 100 codes."""


@dataclass(frozen=True, slots=True)
class NearLists:
    """Lists by how near a query is to their centres, the nearest first.

    Args:
        asked: The query, filled up with zeros, shape ``(padded(dim),)``.
        order: Their numbers.
        closeness: Inner products with their centres.
    """

    asked: NDArray[np.float32]
    order: NDArray[np.int64]
    closeness: NDArray[np.float32]

    @classmethod
    def of(cls, book: Book, vector: NDArray[np.float32]) -> NearLists:
        """All lists of a book.

        Args:
            book: Of the codes.
            vector: The query, shape ``(dim,)``.
        """
        asked = np.zeros(book.centres.shape[1], dtype=np.float32)
        asked[: len(vector)] = vector
        closeness = np.vecdot(book.centres, asked)
        order = np.argsort(-closeness)
        return cls(asked, order, closeness[order])

    def enough(self, sizes: NDArray[np.intp], followed: int) -> int:
        """How many of the nearest hold enough codes.

        Args:
            sizes: Codes that pass in each list, by its number.
            followed: Codes that are followed by their fine ones.
        """
        held = np.cumsum(sizes[self.order])
        wanted = max(LEAST, SCANNED * followed, SHARE * int(held[-1]))
        return min(len(held), 1 + int(np.searchsorted(held, wanted)))

    def first(self, count: int) -> NearLists:
        """The nearest alone, all where there are fewer."""
        return replace(self, order=self.order[:count], closeness=self.closeness[:count])
