"""GLBs on their way from a library into the workspace."""

from __future__ import annotations

from pathlib import Path

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.gltf import read_glb

MOST_GLB_BYTES = 1 << 32
"""A GLB cannot be larger."""


def faces_of_copy(target: Path) -> int:
    """Count the faces of a GLB that was copied: the original may change while it is looked at.

    Raises:
        UnreadableAssetError: It is no GLB; then it is deleted.
        OSError: It cannot be read.
    """
    try:
        return read_glb(target).tree.faces()
    except UnreadableAssetError:
        target.unlink()
        raise
