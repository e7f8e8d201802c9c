"""Centroids that wait in a file until the views, from which they come, are loaded."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np

from meshseek.files import disk_error
from meshseek.store.write.loading import Centroids


class CentroidSpool:
    """A file of batches, removed at the end of the with block.

    Args:
        dim: Length of a centroid.
        folder: On whose disk the file is: what a system has for temporary files is often its memory.
    """

    def __init__(self, dim: int, folder: Path) -> None:
        self._dim = dim
        self._folder = folder
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed at the end of the with block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, batch: Centroids) -> None:
        """Keep a batch.

        Raises:
            WorkspaceError: The disk is full.
        """
        ids = json.dumps(list(batch.ids)).encode()
        sizes = np.array([len(batch.ids), len(ids)], dtype=np.int64)
        spreads = batch.spreads.astype(np.float32)
        try:
            self.write(b"".join([sizes.tobytes(), ids, batch.centroids.tobytes(), spreads.tobytes()]))
        except OSError as error:
            raise disk_error(error, self._folder) from error

    def write(self, content: bytes) -> None:
        """Add to the file.

        Raises:
            OSError: It cannot be written.
        """
        self._file.write(content)

    def batches(self) -> Iterator[Centroids]:
        """Every batch, in order."""
        self._file.seek(0)
        while head := self._file.read(16):
            size, length = np.frombuffer(head, dtype=np.int64)
            ids = json.loads(self._file.read(length))
            vectors = np.frombuffer(self._file.read(2 * self._dim * size), dtype=np.float16).reshape(size, self._dim)
            yield Centroids(ids, vectors, np.frombuffer(self._file.read(4 * size), dtype=np.float32))
