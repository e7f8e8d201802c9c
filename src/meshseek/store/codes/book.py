"""How vectors become codes, and how a query is compared with codes.

Two codes of each vector: coarse ones that can all be compared, and finer ones by which the best are ranked again.
"""

from __future__ import annotations

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
"""Of a sub-vector, which takes half a byte. With 4 of them, half as many codes have to be followed, and a scan of a
million takes more than twice as long."""
CENTRES: Final = 16
"""Values that a sub-vector is told by."""


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
        values: Shape ``(3 + CENTRES, padded(dim))``: mean, lowest step and width of a step of each dimension, then what
            the coarse codes stand for, as faiss keeps it: sub-vector by sub-vector, each with its centres.
    """

    dim: int
    values: Singles

    @classmethod
    def learn(cls, sample: Singles) -> Book:
        """Learn from some vectors, shape ``(n, dim)``; of the same ones always the same.

        Product codes as in Jegou, Douze and Schmid, "Product quantization for nearest neighbor search" (2011).
        """
        from meshseek.store.codes.engine import faiss  # noqa: PLC0415  # heavy, and only where codes are made

        _use_one_thread()
        dim = sample.shape[1]
        mean = sample.mean(axis=0)
        quantizer = faiss.ProductQuantizer(padded(dim), padded(dim) // DIMENSIONS, 4)
        quantizer.cp.min_points_per_centroid = 1
        quantizer.train(_filled(sample - mean))
        centres = faiss.vector_to_array(quantizer.centroids).reshape(CENTRES, -1)
        return cls(dim, np.concatenate([_filled(mean[None]), Steps.learn(sample).values, centres]).astype(np.float32))

    @classmethod
    def from_bytes(cls, content: bytes | Bytes, dim: int) -> Book:
        """As :meth:`to_bytes` wrote it.

        Raises:
            ValueError: It is of vectors of another length.
        """
        return cls(dim, np.frombuffer(content, dtype="<f4").reshape(3 + CENTRES, padded(dim)))

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return self.values.astype("<f4").tobytes()

    def coarse(self, vectors: Singles) -> Bytes:
        """Coarse codes of vectors, shape ``(n, coarse_bytes(dim))``."""
        _use_one_thread()
        codes: Bytes = self._quantizer.compute_codes(_filled(vectors - self.values[0, : self.dim]))
        return codes

    @cached_property
    def steps(self) -> Steps:
        """What fine codes mean."""
        return Steps(self.dim, self.values[1:3])

    @cached_property
    def _quantizer(self) -> Any:
        from meshseek.store.codes.engine import faiss  # noqa: PLC0415  # see above

        quantizer = faiss.ProductQuantizer(padded(self.dim), padded(self.dim) // DIMENSIONS, 4)
        faiss.copy_array_to_vector(np.ascontiguousarray(self.values[3:]).ravel(), quantizer.centroids)
        return quantizer


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
