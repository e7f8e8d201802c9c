"""Models on their way from a library into the workspace, where each becomes one plain GLB in metres with Y up."""

from __future__ import annotations

import logging
from pathlib import Path

from meshseek.errors import UnreadableAssetError
from meshseek.files import write_whole
from meshseek.meshes.decoders import decoded_glb, is_packed
from meshseek.meshes.formats import GLTF_SPACE, Forced
from meshseek.meshes.gltf import read_glb
from meshseek.meshes.model_files import UNREADABLE
from meshseek.meshes.placed_glb import placed_glb

log = logging.getLogger(__name__)

MOST_GLB_BYTES = 1 << 32
"""A GLB cannot be larger."""
AS_IT_IS = Forced()


def settled(target: Path, told: str, forced: Forced = AS_IT_IS) -> int:
    """Make a GLB that was copied one that is shown anywhere, and count its faces; the original may change meanwhile.

    What is compressed is decoded. Where that cannot be done, the model stays as it is, and a line says why: its
    views, if it came with any, are searched all the same.

    Args:
        target: The copy.
        told: What the line calls it.
        forced: Its unit and axis, where the user knows better than its format.

    Raises:
        UnreadableAssetError: It is no GLB; then it is deleted.
        OSError: It cannot be read or written.
    """
    try:
        glb = read_glb(target)
        faces = glb.tree.faces()
        if is_packed(glb):
            try:
                write_whole(target, decoded_glb(glb))
            except (UnreadableAssetError, *UNREADABLE) as error:
                if isinstance(error, OSError):
                    raise
                log.warning("%s stays compressed: %s", told, error)
        if forced:
            space = GLTF_SPACE.forced(forced.unit, forced.up)
            write_whole(target, placed_glb(read_glb(target), space.matrix))
    except UnreadableAssetError:
        target.unlink(missing_ok=True)
        raise
    return faces
