"""Memory that is free, and kept for later by those who lent it."""

from __future__ import annotations

import contextlib
import ctypes

import pyarrow as pa


def give_back() -> None:
    """Give it to the system: after a stage over a million assets, the next one would be counted beside it."""
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):  # a C library that keeps none, or tells of none
        ctypes.CDLL(None).malloc_trim(0)
