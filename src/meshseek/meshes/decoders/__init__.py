"""Compressed GLBs made plain: Draco and meshopt geometry, and textures of Basis Universal (KTX2)."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.decoders.basis import unpack_basis
from meshseek.meshes.decoders.draco import unpack_draco
from meshseek.meshes.decoders.draft import Draft
from meshseek.meshes.decoders.meshopt import unpack_meshopt
from meshseek.meshes.gltf import GlbFile, read_glb
from meshseek.meshes.gltf_schema import DRACO, check_tree


def is_packed(glb: GlbFile) -> bool:
    """Whether a GLB has to be decoded before it can be shown, so that it has what a decoder takes."""
    tree = glb.tree
    if tree.compression() is not None:
        return True
    uses = (primitive.extensions for mesh in tree.meshes for primitive in mesh.primitives)
    return not tree.is_complete() and any(isinstance(use, dict) and DRACO in use for use in uses)


def decoded_glb(glb: GlbFile) -> bytes:
    """The same model with nothing in it that is compressed; all else is as it was.

    Raises:
        UnreadableAssetError: It is damaged, unpacks to too much, or its decoder is not installed.
        OSError: It cannot be read.
    """
    draft = Draft(glb)
    try:
        unpack_meshopt(draft)
        unpack_draco(draft)
        unpack_basis(draft)
    except (UnreadableAssetError, MemoryError, OSError):
        raise
    except Exception as error:  # what decoders raise is not told
        raise UnreadableAssetError("what is compressed in it is damaged; export it again") from error
    encoded = draft.encoded()
    if not check_tree(draft.tree).is_complete():  # what was decoded must fit what the file says of it
        raise UnreadableAssetError("some of its numbers are neither there nor compressed; export it again")
    return encoded


def plain_glb(glb: GlbFile) -> bytes:
    """A GLB anew, decoded where it has to be, with nothing in it but what was checked.

    Raises:
        UnreadableAssetError: It cannot be decoded.
        OSError: It cannot be read.
    """
    if not is_packed(glb):
        return glb.plain()
    with TemporaryDirectory(prefix="meshseek-glb-") as folder:
        path = Path(folder) / "plain.glb"
        path.write_bytes(decoded_glb(glb))
        return read_glb(path).plain()
