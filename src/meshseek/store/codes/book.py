"""How vectors become codes, and how a query is compared with codes.

Vectors are kept in lists, each about a centre. Two codes of each vector: a coarse one of how it differs from its list's
centre, and a finer one of the vector itself, by which the best are ranked again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshseek.store.codes.steps import Steps, padded, step_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Singles = NDArray[np.float32]
    Bytes = NDArray[np.uint8]

DIMENSIONS: Final = 8
"""Of a sub-vector, which takes half a byte."""
VALUES: Final = 16
"""Values that a sub-vector is told by."""
FIRST_LIST: Final = 2 + VALUES
"""Row of a book's values where the centres of lists begin."""
MOST_LISTS: Final = 1024
"""More than about 30 vectors of a sample should stand behind each centre."""
ROUNDS: Final = 8
"""Of k-means, after which little changes."""


def lists_for(count: int) -> int:
    """How many lists so many vectors are kept in: about as many as each has vectors."""
    return max(1, min(MOST_LISTS, round(math.sqrt(count))))


def coarse_bytes(dim: int) -> int:
    """Bytes of a vector's coarse code."""
    return padded(dim) // DIMENSIONS // 2


def code_bytes(dim: int) -> int:
    """Bytes of both."""
    return coarse_bytes(dim) + step_bytes(dim)


@dataclass(frozen=True)
class Book:
    """What codes mean.

    Args:
        dim: Length of a vector.
        values: Shape ``(2 + VALUES + lists, padded(dim))``: lowest step and width of a step of each dimension, what
            the coarse codes stand for as faiss keeps it (sub-vector by sub-vector, each with its centres), then the
            centres of the lists.
    """

    dim: int
    values: Singles

    @classmethod
    def learn(cls, sample: Singles, lists: int) -> Book:
        """Learn from some vectors, shape ``(n, dim)``; of the same ones always the same.

        Inverted lists of product codes of residuals as in Jegou, Douze and Schmid, "Product quantization for nearest
        neighbor search" (2011).

        Args:
            sample: The vectors.
            lists: How many there are to be; fewer, where there are fewer vectors.
        """
        from meshseek.store.codes.engine import faiss  # noqa: PLC0415  # heavy, and only where codes are made

        _use_one_thread()
        dim = sample.shape[1]
        means = faiss.Kmeans(dim, min(lists, len(sample)), niter=ROUNDS, min_points_per_centroid=1)
        means.train(sample)
        centres: Singles = means.centroids
        quantizer = faiss.ProductQuantizer(padded(dim), padded(dim) // DIMENSIONS, 4)
        quantizer.cp.min_points_per_centroid = 1
        quantizer.train(_filled(sample - centres[_nearest(sample, centres)]))
        coarse = faiss.vector_to_array(quantizer.centroids).reshape(VALUES, -1)
        return cls(dim, np.concatenate([Steps.learn(sample).values, coarse, _filled(centres)]).astype(np.float32))

    @classmethod
    def from_bytes(cls, content: bytes | Bytes, dim: int) -> Book:
        """As :meth:`to_bytes` wrote it.

        Raises:
            ValueError: It is of vectors of another length.
        """
        values = np.frombuffer(content, dtype="<f4").reshape(-1, padded(dim))
        if len(values) <= FIRST_LIST:
            raise ValueError(len(values))
        return cls(dim, values)

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return self.values.astype("<f4").tobytes()

    def coarse(self, vectors: Singles) -> tuple[NDArray[np.uint16], Bytes]:
        """The list of each vector, and its coarse code, shape ``(n, coarse_bytes(dim))``."""
        _use_one_thread()
        centres = self.centres[:, : self.dim]
        lists = _nearest(vectors, centres)
        codes: Bytes = self._quantizer.compute_codes(_filled(vectors - centres[lists]))
        return lists.astype(np.uint16), codes

    @property
    def centres(self) -> Singles:
        """Of the lists, filled up with zeros; shape ``(lists, padded(dim))``."""
        return self.values[FIRST_LIST:]

    @property
    def products(self) -> Singles:
        """What coarse codes stand for, as faiss keeps it."""
        return np.ascontiguousarray(self.values[2:FIRST_LIST]).ravel()

    @cached_property
    def steps(self) -> Steps:
        """What fine codes mean."""
        return Steps(self.dim, self.values[:2])

    @cached_property
    def _quantizer(self) -> Any:
        from meshseek.store.codes.engine import faiss  # noqa: PLC0415  # see above

        quantizer = faiss.ProductQuantizer(padded(self.dim), padded(self.dim) // DIMENSIONS, 4)
        faiss.copy_array_to_vector(self.products, quantizer.centroids)
        return quantizer


def _nearest(vectors: Singles, centres: Singles) -> NDArray[np.intp]:
    """Which of some centres each vector is nearest to."""
    closeness = vectors @ centres.T
    closeness -= np.einsum("ij,ij->i", centres, centres) / 2
    nearest: NDArray[np.intp] = closeness.argmax(axis=1)
    return nearest


def _use_one_thread() -> None:
    """Let faiss share out nothing of what this thread asks it: learning has thousands of short parts.

    On a busy machine its threads wait for each other: with two of them, learning took 16 s of which one took 2.
    """
    from meshseek.store.codes.engine import faiss  # noqa: PLC0415  # see above

    faiss.omp_set_num_threads(1)


def _filled(vectors: Singles) -> Singles:
    """With zeros at the end of each."""
    filled = np.zeros((len(vectors), padded(vectors.shape[1])), dtype=np.float32)
    filled[:, : vectors.shape[1]] = vectors
    return filled
