"""Whether the files that finished rows speak of are there, and are as they were written."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.decoders import is_packed
from meshseek.meshes.gltf import read_glb
from meshseek.workspace.view_files import lost_views
from meshseek.workspace.workspace import Workspace

Kind = Literal["missing", "altered"]


class Fault(NamedTuple):
    """What is wrong with a file of an asset."""

    asset_id: str
    kind: Kind
    path: Path


def faulty_models(
    workspace: Workspace, asset_ids: Container[str] | None = None, *, verify: bool = False
) -> Iterator[Fault]:
    """The imported assets whose model is missing or of another size; with ``verify``, of other content.

    Args:
        workspace: Where they are.
        asset_ids: Only these; None for all.
        verify: Read the files.

    Raises:
        WorkspaceError: The table is damaged.
    """
    columns = ["asset_id", "model", "model_fingerprint", "model_bytes"]
    for table in workspace.assets_table().tables(asset_ids, columns):
        for asset_id, model, fingerprint, size in zip(*(table[name].to_pylist() for name in columns), strict=True):
            # A model without a fingerprint stays on its dataset's server.
            if fingerprint is not None and (asset_ids is None or asset_id in asset_ids):
                path = workspace.models / model
                kind = _fault(path, size)
                if kind is None and verify and checksum([path]) != fingerprint:
                    kind = "altered"
                if kind is not None:
                    yield Fault(asset_id, kind, path)


def packed_models(workspace: Workspace, asset_ids: Container[str]) -> Iterator[str]:
    """Which of these assets have a model that is still compressed, as its decoder was not there; they are all read.

    Raises:
        WorkspaceError: The table is damaged.
    """
    columns = ["asset_id", "model", "model_fingerprint"]
    for table in workspace.assets_table().tables(asset_ids, columns):
        for asset_id, model, fingerprint in zip(*(table[name].to_pylist() for name in columns), strict=True):
            if fingerprint is not None and asset_id in asset_ids:
                with contextlib.suppress(UnreadableAssetError, OSError):  # that is another fault
                    if is_packed(read_glb(workspace.models / model)):
                        yield asset_id


def faulty_views(workspace: Workspace, *, verify: bool = False) -> Iterator[Fault]:
    """The views that were rendered and are missing or of another size; with ``verify``, of other content.

    Raises:
        WorkspaceError: The table is damaged.
    """
    columns = ["asset_id", "folder", "viewpoint_ids", "sizes", "checksum"]
    for table in workspace.rendered_table().tables(columns=columns):
        for row in table.to_pylist():
            if row["folder"] is None:  # an older Meshseek rendered it, elsewhere
                yield Fault(row["asset_id"], "missing", workspace.views / row["asset_id"])
            else:
                yield from _faulty_views(workspace.views / row["folder"], row, verify=verify)


def _faulty_views(folder: Path, row: dict[str, Any], *, verify: bool) -> Iterator[Fault]:
    paths = [picture_path(folder, number) for number in row["viewpoint_ids"]]
    faults = [
        Fault(row["asset_id"], kind, path)
        for path, size in zip(paths, row["sizes"], strict=True)
        if (kind := _fault(path, size)) is not None
    ]
    if not faults and verify and checksum(paths) != row["checksum"]:
        faults = [Fault(row["asset_id"], "altered", path) for path in paths]
    yield from faults


def _fault(path: Path, size: int | None) -> Kind | None:
    try:
        actual = path.stat().st_size
    except OSError:
        return "missing"
    return None if size is None or actual == size else "altered"  # an older Meshseek did not note the size


def picture_path(folder: Path, viewpoint_id: int) -> Path:
    """Where the render stage puts a view."""
    name = f"{viewpoint_id:05d}"
    return folder / name / f"{name}.png"


def missing_dataset_views(workspace: Workspace) -> Iterator[Fault]:
    """The views that came with their dataset and are no longer where they were: files, or tars that changed.

    Raises:
        WorkspaceError: Nothing was imported yet, or the table is damaged.
    """
    for asset in workspace.assets(parts=["views"]):
        if asset.views is not None:
            for path in lost_views(asset.views.folder, asset.views.viewpoint_ids, asset.views.root):
                yield Fault(asset.asset_id, "missing", path)


def checksum(paths: Iterable[Path]) -> str:
    """SHA-256 of the content of files, one after the other; of files that cannot be read, of nothing."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                while part := file.read(1 << 20):
                    digest.update(part)
        except OSError:
            continue
    return digest.hexdigest()
