"""Centroids that wait in a file until the views, from which they come, are loaded."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from typing import Self

import numpy as np

from meshseek.store.write.loading import Centroids


class CentroidSpool:
    """A file of batches, removed at the end of the with block.

    Args:
        dim: Length of a centroid.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed at the end of the with block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, batch: Centroids) -> None:
        """Keep a batch."""
        ids = json.dumps(list(batch.ids)).encode()
        sizes = np.array([len(batch.ids), len(ids)], dtype=np.int64)
        spreads = batch.spreads.astype(np.float32)
        self._file.write(b"".join([sizes.tobytes(), ids, batch.centroids.tobytes(), spreads.tobytes()]))

    def batches(self) -> Iterator[Centroids]:
        """Every batch, in order."""
        self._file.seek(0)
        while head := self._file.read(16):
            size, length = np.frombuffer(head, dtype=np.int64)
            ids = json.loads(self._file.read(length))
            vectors = np.frombuffer(self._file.read(2 * self._dim * size), dtype=np.float16).reshape(size, self._dim)
            yield Centroids(ids, vectors, np.frombuffer(self._file.read(4 * size), dtype=np.float32))
