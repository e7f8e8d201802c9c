"""Dataset layouts: each module here reads one kind of library from disk.

To add a layout, add one file with one :class:`Dataset`; see ``docs/how-to/add-a-dataset.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from meshseek.errors import DatasetError
from meshseek.model import Asset
from meshseek.plugins import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One asset of a library before it is read."""

    asset_id: str
    """May hold ``/``; it names files, so no part of it may be empty, ``.`` or ``..``."""
    fingerprint: str
    """Cheap to compute; changes when the asset's source may have changed."""

    def __post_init__(self) -> None:
        if {"", ".", ".."} & set(self.asset_id.split("/")) or "\0" in self.asset_id:
            raise DatasetError(
                f"'{self.asset_id}' cannot be the id of an asset; rename it, without empty parts and '..'"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    """What the user says about a library."""

    path: Path
    captions: Path | None = None
    id_map: Path | None = None
    unit: str | None = None
    """What all models are in, one of :data:`meshseek.meshes.spaces.UNITS`; None where each is believed."""
    up: str | None = None
    """Which axis of all models points up: ``x``, ``y`` or ``z``."""
    passed_over: Path | None = None
    """A folder that is no part of the library though it may lie in it: the workspace."""
    cache: Path | None = None
    """A folder for what takes long to find out; it may be lost at any time. None for nowhere."""

    def beside(self, workspace: Path) -> DatasetOptions:
        """The same for a library that a workspace imports."""
        return replace(self, passed_over=workspace, cache=workspace / "cache" / "listings")


class Dataset(ABC):
    """A library on disk. Objects are pickled to worker processes, so they hold plain values only.

    Raises:
        LibraryGoneError: In :meth:`entries`, when the library is not there, or lists nothing.
        DatasetError: On construction or in :meth:`entries`, when it is damaged.
    """

    brings_models: ClassVar[bool] = True
    """Whether :meth:`read` puts models anywhere; where it never does, no folder is made for each asset."""
    takes_units: ClassVar[bool] = False
    """Whether the user may say in what unit its models are, and which axis points up."""

    def __init__(self, options: DatasetOptions) -> None:
        if (options.unit or options.up) and not self.takes_units:
            name = type(self).__module__.rpartition(".")[2]
            raise DatasetError(f"'{name}' knows its models' unit and axes itself; leave out --unit and --up")
        self.options = options
        self.unlisted = 0
        """Files and folders that the last listing could not look at: the assets in them are not gone."""

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """List the assets in a stable order, cheaply: no model is opened."""

    @abstractmethod
    def read(self, entry: Entry, models: Path) -> Asset:
        """Read one asset and put its GLB whole or not at all at ``models / asset.model``.

        Raises:
            UnreadableAssetError: This asset cannot be read; the import stage skips and counts it.
        """


DATASETS: Family[Dataset] = Family(__name__, Dataset, {"glb_folder": "folder"})  # type: ignore[type-abstract]
