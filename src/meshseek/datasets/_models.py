"""GLBs on their way from a library into the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from meshseek.errors import UnreadableAssetError
from meshseek.files import copy_whole
from meshseek.meshes.gltf import read_glb

MOST_GLB_BYTES = 1 << 32
"""A GLB cannot be larger."""


def put_glb(file: BinaryIO, target: Path, size: int) -> int:
    """Copy a GLB from where an open file stands, and count its faces.

    Args:
        file: Holds it.
        target: Of the copy.
        size: Of the GLB, in bytes.

    Raises:
        UnreadableAssetError: It is no GLB; then there is no copy.
        OSError: It cannot be read, or not be written.
    """
    copy_whole(file, target, size)
    try:
        return read_glb(target).tree.faces()  # the copy: the file may change while it is looked at
    except UnreadableAssetError:
        target.unlink()
        raise
