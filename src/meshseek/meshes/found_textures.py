"""The pictures that a model calls for, each read once; one that cannot be read leaves the plain colour."""

from __future__ import annotations

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.model_files import UNREADABLE, ModelFiles
from meshseek.meshes.textures import Texture, read_texture


class Textures:
    """Those of one model.

    Args:
        files: The files that it may call for.
    """

    def __init__(self, files: ModelFiles) -> None:
        self._files = files
        self._found: dict[str, Texture | None] = {}

    def named(self, name: str) -> Texture | None:
        """The texture in a file that the model calls for by name; None where there is none.

        Raises:
            OSError: The disk fails.
        """
        if name not in self._found:
            try:
                content = self._files.find(name)
                self._found[name] = read_texture(content) if content is not None else None
            except OSError:  # the disk's fault, not the picture's
                raise
            except (UnreadableAssetError, *UNREADABLE):
                self._found[name] = None
        return self._found[name]

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of those that are not there or cannot be read."""
        return tuple(name for name, texture in self._found.items() if texture is None)
