"""Where the files of an asset lie on this machine, for scripts that go on with them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from meshseek.errors import MeshseekError

if TYPE_CHECKING:
    from meshseek.model import Hit, PublishedAsset
    from meshseek.workspace.workspace import Workspace


def files_of(workspace: Workspace, asset: Hit | PublishedAsset, viewpoint_id: int | None) -> dict[str, str | None]:
    """Paths of the model and of the view that is shown; None where there is none, or it is no file of its own here.

    Args:
        workspace: May have them.
        asset: Whose they are.
        viewpoint_id: Of the view; None where there is none.
    """
    return {"model_path": _model_path(workspace, asset), "thumbnail_path": _view_path(workspace, asset, viewpoint_id)}


def _model_path(workspace: Workspace, asset: Hit | PublishedAsset) -> str | None:
    from meshseek.collecting.local import size_of_model

    if asset.model is None or size_of_model(workspace.models, asset.model) is None:
        return None
    return str((workspace.models / asset.model).absolute())


def _view_path(workspace: Workspace, asset: Hit | PublishedAsset, viewpoint_id: int | None) -> str | None:
    from meshseek.workspace.view_files import view_file

    if asset.view_folder is None or viewpoint_id is None:
        return None
    with suppress(MeshseekError):
        root = workspace.view_root(asset.view_folder, asset.attributes.get("library"))
        return str(view_file(workspace.folder / asset.view_folder, viewpoint_id, root).absolute())
    return None
