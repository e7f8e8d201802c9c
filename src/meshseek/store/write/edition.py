"""Writes the blocks of one edition of a version's codes, and reads vectors with the numbers of their assets."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.store.codes.checksums import checksum
from meshseek.store.codes.parts import ROWS, TYPES
from meshseek.store.postgres import Connection
from meshseek.store.queries import query

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Edition:
    """Adds blocks, and knows what all of them hold."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._hash = hashlib.sha256()

    def add(self, part: str, block: int, content: NDArray[Any]) -> None:
        """Write one block of a part."""
        written = content.tobytes()
        self._hash.update(f"{part} {block} {len(written)} {checksum(written)}\n".encode())
        values = {"edition": self._number, "part": part, "block": block, "content": written}
        self._connection.execute(query("add_codes"), values)

    @property
    def digest(self) -> bytes:
        """Of what was written, 16 bytes."""
        return self._hash.digest()[:16]


def numbered(content: bytes | None, dim: int) -> tuple[NDArray[np.int32], NDArray[np.float16]]:
    """Numbers of assets and vectors, shape ``(n, dim)``, as queries for them give them in one value."""
    row = np.dtype([("number", ">i4"), ("dim", ">i2"), ("unused", ">i2"), ("vector", ">i2", (dim,))])
    rows = np.frombuffer(content or b"", dtype=row)
    halves: NDArray[np.float16] = rows["vector"].astype("<i2").view(np.float16)
    return rows["number"].astype(TYPES[ROWS]), halves
