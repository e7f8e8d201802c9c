"""The numbers of a checked GLB, looked at where they are: what is not asked for, such as pictures, is never read."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.meshes.gltf import GlbFile, decode_uri

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_DIMENSIONS = 3


class Accessors:
    """The accessors of one GLB.

    Args:
        glb: The file's structure.
        binary: Its second chunk.
    """

    def __init__(self, glb: GlbFile, binary: memoryview) -> None:
        self._tree = glb.tree
        self._binary = binary

    @cached_property
    def _buffers(self) -> list[memoryview]:
        return [
            self._binary if buffer.uri is None else memoryview(decode_uri(buffer.uri)) for buffer in self._tree.buffers
        ]

    def rows(self, number: int) -> NDArray[Any] | None:
        """An accessor's numbers (count, width) as they are stored.

        None where they are not in a plain buffer, or where the file replaces some of them.
        """
        accessor = self._tree.accessors[number]
        if accessor.buffer_view is None or accessor.sparse is not None or self._tree.compression() is not None:
            return None
        view = self._tree.buffer_views[accessor.buffer_view]
        dtype = np.dtype(_DTYPES[accessor.component_type])
        if not accessor.count:
            return np.empty((0, accessor.width), dtype)
        return np.ndarray(
            (accessor.count, accessor.width),
            dtype,
            self._buffers[view.buffer],
            view.byte_offset + accessor.byte_offset,
            (view.byte_stride or dtype.itemsize * accessor.width, dtype.itemsize),
        )

    def declared(self, number: int) -> NDArray[np.float64] | None:
        """Lowest and highest position (2, 3) as the file states them; None where it states no such thing."""
        accessor = self._tree.accessors[number]
        try:
            bounds = np.array([accessor.min, accessor.max], np.float64)
        except (TypeError, ValueError, OverflowError):
            return None
        if bounds.shape != (2, _DIMENSIONS) or not np.isfinite(bounds).all() or (bounds[0] > bounds[1]).any():
            return None
        return self.real(number, bounds)

    def real(self, number: int, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Some of an accessor's numbers as they are meant: normalised whole numbers become -1 to 1."""
        accessor = self._tree.accessors[number]
        dtype = np.dtype(_DTYPES[accessor.component_type])
        values = np.asarray(stored, np.float64)
        if accessor.normalized is not True or dtype.kind == "f":
            return values
        return np.maximum(values / np.iinfo(dtype).max, -1)


@contextmanager
def opened(glb: GlbFile) -> Iterator[Accessors]:
    """Look into a GLB.

    Raises:
        OSError: It cannot be read.
    """
    with glb.path.open("rb") as file:
        size = file.seek(0, 2)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        # Arrays that somebody still holds keep the map: it goes with the last of them.
        yield Accessors(glb, memoryview(mapped)[glb.start : glb.start + glb.length])
