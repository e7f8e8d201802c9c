"""USD in all its files: the meshes that a stage shows, with unit, axis, normals, mapped pictures and colours.

What a file calls for is first copied into a folder of its own, as far as it lies in the library; the stage is opened
there and finds nothing else, since whatever leads elsewhere is taken out of the layers before.
"""

from __future__ import annotations

import posixpath
import zipfile
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.found_textures import Textures
from meshseek.meshes.model_files import ModelFiles, ZippedFiles
from meshseek.meshes.readers import pxr
from meshseek.meshes.readers.usd_meshes import UsdMeshes
from meshseek.meshes.spaces import Up
from meshseek.meshes.surfaces import Content, count_places
from meshseek.untrusted.archives import archive_of

_MOST_LAYERS = 1000
_PACKAGE: Final = b"PK\x03\x04"


def read_usd(content: bytes, suffix: str, files: ModelFiles) -> Content:
    """What the stage of a USD file shows.

    Args:
        content: The file.
        suffix: How its name ends.
        files: What it may call for.

    Raises:
        UnreadableAssetError: It is damaged, or cannot be read here.
        OSError: The disk fails.
    """
    pxr("UsdGeom")
    quiet = pxr("UsdUtils").CoalescingDiagnosticDelegate()  # else it writes to the terminal
    with ExitStack() as stack:
        stack.callback(quiet.TakeUncoalescedDiagnostics)
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="meshseek-usd-")))
        if content.startswith(_PACKAGE):
            archive = stack.enter_context(archive_of(content))
            names = [name for name in archive.members if posixpath.splitext(name)[1] in {".usd", ".usda", ".usdc"}]
            if not names:
                raise zipfile.BadZipFile("there is no layer in it")
            main, files = names[0], ZippedFiles(archive, posixpath.dirname(names[0]))
            content, suffix = archive.read(main), posixpath.splitext(main)[1]
        try:
            return _read(_Layers(folder, files, content, suffix), Textures(files))
        except (UnreadableAssetError, MemoryError, OSError):
            raise
        except Exception as error:  # what the parser raises is not told
            raise UnreadableAssetError("it is damaged; export it again") from error


class _Layers:
    """The layers of a file, copied into a folder and kept open, so that the stage takes them as they are here."""

    def __init__(self, folder: Path, files: ModelFiles, content: bytes, suffix: str) -> None:
        self._folder = folder
        self._files = files
        self._sdf = pxr("Sdf")
        self._open: dict[str, Any] = {}
        self.folders: dict[str, str] = {}
        """Where each layer lay, by the identifier of its copy, as seen from the root layer."""
        self.root = self._add(f"root{suffix.lower()}", "", content)

    def _add(self, name: str, beside: str, content: bytes) -> Any:
        """Copy a layer, and what it calls for; the copy is returned.

        Args:
            name: Of the copy.
            beside: The folder that the names in it count from, as the root layer sees it.
            content: The layer.
        """
        if len(self._open) >= _MOST_LAYERS:
            raise UnreadableAssetError(f"it is made of more than {_MOST_LAYERS:,} layers; flatten it")
        path = self._folder / name
        path.write_bytes(content)
        layer = self._open[name] = self._sdf.Layer.FindOrOpen(str(path))
        if layer is None:
            raise UnreadableAssetError("it is damaged; export it again")
        self.folders[layer.identifier] = beside
        _forget_clips(layer)
        for asset in sorted(set(layer.GetCompositionAssetDependencies())):
            layer.UpdateCompositionAssetDependency(asset, self._copied(asset, beside))
        return layer

    def _copied(self, asset: str, beside: str) -> str:
        """The name of the copy of what a layer calls for; empty where it may not have it."""
        wanted = posixpath.normpath(posixpath.join(beside, asset.replace("\\", "/")))
        suffix = posixpath.splitext(wanted)[1].lower()
        if posixpath.isabs(wanted) or ":" in wanted or suffix not in {".usd", ".usda", ".usdc"}:
            return ""
        name = f"{len(wanted)}-{wanted.replace('/', '_').replace('..', '_')[-100:]}"
        if name not in self._open:
            content = self._files.find(wanted)
            if content is None or content.startswith(_PACKAGE):
                return ""
            self._add(name, posixpath.dirname(wanted), content)
        return f"./{name}"


def _forget_clips(layer: Any) -> None:
    """Take out the names of files with animation, also of variants: the stage would open them by itself."""
    found: list[Any] = []
    layer.Traverse(
        "/", lambda path: found.append(path) if path.IsPrimPath() or path.IsPrimVariantSelectionPath() else None
    )
    for path in found:
        prim = layer.GetPrimAtPath(path)  # none where a set of variants has its path
        if prim is not None and prim.HasInfo("clips"):
            prim.ClearInfo("clips")


def _read(layers: _Layers, textures: Textures) -> Content:
    usd, geometry = pxr("Usd"), pxr("UsdGeom")
    stage = usd.Stage.Open(layers.root)
    surfaces = list(count_places(UsdMeshes(stage, textures, layers.folders).surfaces()))
    declared = stage.HasAuthoredMetadata("metersPerUnit")
    up: Up = "z" if geometry.GetStageUpAxis(stage) == geometry.Tokens.z else "y"
    return Content(
        surfaces=surfaces,
        metres=geometry.GetStageMetersPerUnit(stage) if declared else None,
        up=up if stage.HasAuthoredMetadata("upAxis") else None,
        missing_textures=textures.missing,
    )
