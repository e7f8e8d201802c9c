"""Codes of four bits for each dimension of a vector: equal steps about the mean, learnt for each dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Singles = NDArray[np.float32]
    Bytes = NDArray[np.uint8]

STEPS: Final = 16
FILLED: Final = 16
"""Codes are of a multiple of so many dimensions."""
REACH: Final = 2.7
"""Deviations from the mean that the steps of a dimension cover: about the best for 16 equal ones and normal values
(Max, 1960)."""
LEAST_DEVIATION: Final = 1e-6
"""Of a dimension in which all vectors are alike."""
HIGH: Final = 0xF0
"""The bits of a byte that tell of the second half of the dimensions."""
AT_ONCE: Final = 256
"""Vectors that are worked on at a time: what they take stays in the processor's caches."""


def padded(dim: int) -> int:
    """The length of vectors filled up with zeros, so that codes are whole bytes."""
    return -(-dim // FILLED) * FILLED


def step_bytes(dim: int) -> int:
    """Bytes of a vector's code."""
    return padded(dim) // 2


@dataclass(frozen=True)
class Steps:
    """What the codes of some vectors mean.

    Args:
        dim: Length of a vector.
        values: Shape ``(2, padded(dim))``: where the lowest step of each dimension begins, and how wide a step is.
    """

    dim: int
    values: Singles

    @classmethod
    def learn(cls, sample: NDArray[Any]) -> Steps:
        """Learn from some vectors, shape ``(n, dim)``; of the same ones always the same."""
        dim = sample.shape[1]
        mean = sample.mean(axis=0, dtype=np.float32)
        deviation = np.maximum(sample.std(axis=0, dtype=np.float32), LEAST_DEVIATION)
        values = np.zeros((2, padded(dim)), dtype=np.float32)
        values[:, :dim] = mean - REACH * deviation, 2 * REACH * deviation / STEPS
        return cls(dim, values)

    @classmethod
    def from_bytes(cls, content: bytes, dim: int) -> Steps:
        """As ``values`` are stored.

        Raises:
            ValueError: It is of vectors of another length.
        """
        return cls(dim, np.frombuffer(content, dtype="<f4").reshape(2, padded(dim)))

    def codes(self, vectors: NDArray[Any]) -> Bytes:
        """Codes of vectors, shape ``(n, step_bytes(dim))``: the first half of the dimensions in the low bits.

        Args:
            vectors: Halves or singles, shape ``(n, dim)``.
        """
        made: Bytes = np.empty((len(vectors), step_bytes(self.dim)), dtype=np.uint8)
        half, dim = made.shape[1], self.dim
        low, factor = self.values[0, :dim], 1 / self.values[1, :dim]
        singles = np.empty((AT_ONCE, dim), dtype=np.float32)
        steps = np.zeros((AT_ONCE, 2 * half), dtype=np.uint8)  # what is beyond a vector stays zero
        for start in range(0, len(vectors), AT_ONCE):
            part, into = vectors[start : start + AT_ONCE], made[start : start + AT_ONCE]
            worked, told = singles[: len(part)], steps[: len(part)]
            np.copyto(worked, part)
            np.subtract(worked, low, out=worked)
            np.multiply(worked, factor, out=worked)
            np.clip(worked, 0, STEPS - 1, out=worked)
            np.copyto(told[:, :dim], worked, casting="unsafe")
            np.left_shift(told[:, half:], 4, out=into)
            np.bitwise_or(into, told[:, :half], out=into)
        return made

    def scores(self, vector: Singles, codes: Bytes, rows: NDArray[np.int64] | None = None) -> Singles:
        """How near a query, shape ``(dim,)``, is to vectors by their codes: inner products, less a constant.

        Args:
            vector: The query.
            codes: Shape ``(n, step_bytes(dim))``.
            rows: Which of them are looked at, in this order; None for all.
        """
        weights = np.zeros(self.values.shape[1], dtype=np.float32)
        weights[: self.dim] = vector
        weights *= self.values[1]
        half = len(weights) // 2
        # A byte is low + 16 high: to take the low half out of it once more would cost more than to weigh it so.
        whole, high = weights[:half], weights[half:] / STEPS - weights[:half]
        count = len(codes) if rows is None else len(rows)
        scores: Singles = np.empty(count, dtype=np.float32)
        singles, highs = np.empty((AT_ONCE, half), dtype=np.float32), np.empty((AT_ONCE, half), dtype=np.uint8)
        for start in range(0, count, AT_ONCE):
            part = codes[slice(start, start + AT_ONCE) if rows is None else rows[start : start + AT_ONCE]]
            worked = singles[: len(part)]
            # Not the product of matrices, whose threads wait for each other on a busy machine.
            np.copyto(worked, part)
            told = np.vecdot(worked, whole)
            np.copyto(worked, np.bitwise_and(part, HIGH, out=highs[: len(part)]))
            scores[start : start + AT_ONCE] = told + np.vecdot(worked, high)
        return scores
