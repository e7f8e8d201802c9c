"""Which formats are read beside GLB and glTF, in what unit and with which axis up where a file does not say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from meshseek.meshes.model_files import ModelFiles
from meshseek.meshes.obj_to_glb import Conversion
from meshseek.meshes.readers.dae import read_dae
from meshseek.meshes.readers.fbx import read_fbx
from meshseek.meshes.readers.threemf import read_3mf
from meshseek.meshes.readers.usd import read_usd
from meshseek.meshes.spaces import AUTO, Space
from meshseek.meshes.surfaces import Content, glb_of

REVISION = 2
"""Raised when the same file gives another GLB, so that finished work is done anew."""
_GUESS: Final = Space(unit_from="guessed", up="z", up_from="guessed")
_CENTIMETRES: Final = Space(metres=0.01)

Read = Callable[[bytes, str, ModelFiles], Content]
"""From a file's content, how its name ends, and the files that it may call for."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format."""

    name: str
    space: Space
    """Of files that say nothing of it."""
    read: Read
    calls_for_files: bool = False
    """Of pictures and parts beside it."""


def _plain(content: bytes, suffix: str, _: ModelFiles) -> Content:
    from meshseek.meshes.readers.plain import READERS  # noqa: PLC0415 - its parsers are heavy

    return READERS[suffix](content)


_USD: Final = Format("usd", _CENTIMETRES, read_usd, calls_for_files=True)
FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        ".stl": Format("stl", Space(metres=0.001, up="z"), _plain),
        ".ply": Format("ply", _GUESS, _plain),
        ".off": Format("off", _GUESS, _plain),
        ".3mf": Format("3mf", Space(metres=0.001, up="z"), lambda content, _, __: read_3mf(content)),
        ".dae": Format("dae", Space(), lambda content, _, files: read_dae(content, files), calls_for_files=True),
        ".fbx": Format("fbx", _CENTIMETRES, lambda content, _, files: read_fbx(content, files), calls_for_files=True),
        ".usd": _USD,
        ".usda": _USD,
        ".usdc": _USD,
        ".usdz": replace(_USD, calls_for_files=False),
    }
)
"""By how a file's name ends."""
OBJ_SPACE: Final = Space(unit_from="guessed", up_from="guessed")
"""An OBJ says nothing; what is most common is taken."""
GLTF_SPACE: Final = Space()


@dataclass(frozen=True, slots=True)
class Forced:
    """What the user says of all files of a library; None where they are believed."""

    unit: str | None = None
    up: str | None = None

    def __bool__(self) -> bool:
        return not {self.unit, self.up} <= {None, AUTO}


def convert(suffix: str, content: bytes, files: ModelFiles, forced: Forced) -> tuple[Conversion, Space]:
    """Convert a file of one of :data:`FORMATS`.

    Returns:
        The GLB and what there is to say about it, and the unit and axis that were taken.

    Raises:
        UnreadableAssetError: It cannot be read, or nothing here reads it.
        OSError: The disk fails.
        Exception: One of :data:`meshseek.meshes.model_files.UNREADABLE`: it is damaged.
    """
    known = FORMATS[suffix]
    found = known.read(content, suffix, files)
    space = known.space.declared(found.metres, found.up).forced(forced.unit, forced.up)
    glb, faces = glb_of(found.surfaces, space)
    return Conversion(glb=glb, faces=faces, missing_textures=found.missing_textures), space
