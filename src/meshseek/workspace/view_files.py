"""Where the picture of one view is, in the layouts that G-Objaverse is found in, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from meshseek.errors import NotFoundError, UnreadableAssetError
from meshseek.untrusted.files import open_inside

if TYPE_CHECKING:
    from PIL.Image import Image

LAYOUTS = ("", "campos_512_v4")


def view_file(folder: Path, viewpoint_id: int, root: Path | None = None) -> Path:
    """Path of one view's PNG, as it is named in its folder.

    Args:
        folder: Holds the asset's views.
        viewpoint_id: Number of the view.
        root: Where the picture must really lie; None for the folder.

    Raises:
        NotFoundError: There is no such view, or it is elsewhere.
    """
    path, file = _opened(folder, viewpoint_id, root)
    file.close()
    return path


def open_view(folder: Path, viewpoint_id: int, root: Path | None = None) -> BinaryIO:
    """Open one view's PNG.

    Args:
        folder: Holds the asset's views.
        viewpoint_id: Number of the view.
        root: Where the picture must really lie; None for the folder.

    Raises:
        NotFoundError: There is no such view, or it is elsewhere.
    """
    return _opened(folder, viewpoint_id, root)[1]


def read_view(folder: Path, viewpoint_id: int, root: Path | None = None) -> Image:
    """Read one view as RGB on the fixed background.

    Args:
        folder: Holds the asset's views.
        viewpoint_id: Number of the view.
        root: Where the picture must really lie; None for the folder.

    Raises:
        NotFoundError: There is no such view, or it is elsewhere.
        ImageError: It is too large, not a picture, or damaged.
    """
    from meshseek.images import decode  # noqa: PLC0415  # what only looks for views must stay light

    with open_view(folder, viewpoint_id, root) as file:
        return decode(file, f"{viewpoint_id:05d}.png")


def open_camera(folder: Path, viewpoint_id: int, root: Path | None = None) -> BinaryIO:
    """Open the JSON that says where one view was taken from.

    Args:
        folder: Holds the asset's views.
        viewpoint_id: Number of the view.
        root: Where the file must really lie; None for the folder.

    Raises:
        NotFoundError: There is none, or it is elsewhere.
    """
    return _opened(folder, viewpoint_id, root, ".json")[1]


def _opened(folder: Path, viewpoint_id: int, root: Path | None, suffix: str = ".png") -> tuple[Path, BinaryIO]:
    name = f"{viewpoint_id:05d}"
    for layout in LAYOUTS:
        path = folder / layout / name / f"{name}{suffix}"
        if os.path.lexists(path):
            try:
                return path, open_inside(path, root or folder)
            except (OSError, UnreadableAssetError) as error:
                raise NotFoundError(f"{path} cannot be read: {_reason(error)}") from error
    what = "view" if suffix == ".png" else "camera of view"
    raise NotFoundError(f"{folder} has no {what} {viewpoint_id}; run 'meshseek render' or check the dataset's folder")


def _reason(error: OSError | UnreadableAssetError) -> str:
    if isinstance(error, UnreadableAssetError):
        return str(error)
    return f"{error.strerror or 'the disk does not answer'}; check the file and its permissions"
