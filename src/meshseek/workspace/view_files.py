"""Where the picture of one view is: in the layouts that G-Objaverse is found in, or in a tar; and nowhere else."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from meshseek.errors import NotFoundError, UnreadableAssetError
from meshseek.untrusted.files import open_inside
from meshseek.untrusted.tar_views import TarViews, views_in_tar
from meshseek.untrusted.tars import is_member, read_member

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
    """Open one view's picture.

    Args:
        folder: Holds the asset's views, or stands for them in a tar.
        viewpoint_id: Number of the view.
        root: Where the picture must really lie; None for the folder.

    Returns:
        A file; from a tar, one in memory.

    Raises:
        NotFoundError: There is no such view, or it is elsewhere, or its tar changed.
    """
    [file] = _each(folder, [viewpoint_id], root)
    return file


def open_camera(folder: Path, viewpoint_id: int, root: Path | None = None) -> BinaryIO:
    """Open the JSON that says where one view was taken from; otherwise as :func:`open_view`."""
    [file] = _each(folder, [viewpoint_id], root, ".json")
    return file


def read_view(folder: Path, viewpoint_id: int, root: Path | None = None) -> Image:
    """Read one view, as :func:`read_views` does."""
    [picture] = read_views(folder, [viewpoint_id], root)
    return picture


def read_views(folder: Path, viewpoint_ids: Sequence[int], root: Path | None = None) -> Iterator[Image]:
    """Read views as RGB on the fixed background, one after the other; a tar is opened once for all of them.

    Args:
        folder: Holds the asset's views, or stands for them in a tar.
        viewpoint_ids: Numbers of the views.
        root: Where the pictures must really lie; None for the folder.

    Raises:
        NotFoundError: There is no such view, or it is elsewhere, or its tar changed.
        ImageError: It is too large, not a picture, or damaged.
    """
    from meshseek.images import decode  # noqa: PLC0415  # what only looks for views must stay light

    for number, file in zip(viewpoint_ids, _each(folder, viewpoint_ids, root), strict=True):
        with file:
            yield decode(file, f"view {number}" if isinstance(file, io.BytesIO) else f"{number:05d}.png")


def lost_views(folder: Path, viewpoint_ids: Sequence[int], root: Path | None = None) -> Iterator[Path]:
    """The files of views that are not where they were; the tar where one of its members is not.

    On other storage nothing is looked for: each picture would be a request.

    Args:
        folder: Holds the asset's views, or stands for them in a tar.
        viewpoint_ids: Numbers of the views.
        root: Where the pictures must really lie; None for the folder.
    """
    in_tar = _in_tar(folder)
    if in_tar is None:
        for number in viewpoint_ids:
            try:
                view_file(folder, number, root)
            except NotFoundError:
                yield folder / f"{number:05d}" / f"{number:05d}.png"
    elif not (in_tar.is_remote or _is_whole(in_tar, viewpoint_ids, root)):
        yield in_tar.tar


def _is_whole(in_tar: TarViews, viewpoint_ids: Sequence[int], root: Path | None) -> bool:
    try:
        with in_tar.opened(root) as read_at:
            return all(is_member(read_at, in_tar.pictures[number]) for number in viewpoint_ids)
    except (OSError, UnreadableAssetError, KeyError):
        return False


def _each(folder: Path, numbers: Sequence[int], root: Path | None, suffix: str = ".png") -> Iterator[BinaryIO]:
    """Open files of views, one after the other."""
    in_tar = _in_tar(folder)
    if in_tar is None:
        for number in numbers:
            yield _opened(folder, number, root, suffix)[1]
        return
    places = in_tar.pictures if suffix == ".png" else in_tar.cameras
    try:
        with in_tar.opened(root) as read_at:
            for number in numbers:
                if number not in places:
                    raise NotFoundError(f"{in_tar.place} has no {_kind(suffix)} {number} of this asset")
                yield io.BytesIO(read_member(read_at, places[number]))
    except (OSError, UnreadableAssetError) as error:
        raise NotFoundError(f"{in_tar.place} cannot be read: {_reason(error)}") from error


def _in_tar(folder: Path) -> TarViews | None:
    try:
        return views_in_tar(folder)
    except UnreadableAssetError as error:
        raise NotFoundError(str(error)) from error


def _opened(folder: Path, viewpoint_id: int, root: Path | None, suffix: str = ".png") -> tuple[Path, BinaryIO]:
    name = f"{viewpoint_id:05d}"
    for layout in LAYOUTS:
        path = folder / layout / name / f"{name}{suffix}"
        if os.path.lexists(path):
            try:
                return path, open_inside(path, root or folder)
            except (OSError, UnreadableAssetError) as error:
                raise NotFoundError(f"{path} cannot be read: {_reason(error)}") from error
    raise NotFoundError(
        f"{folder} has no {_kind(suffix)} {viewpoint_id}; run 'meshseek render' or check the dataset's folder"
    )


def _kind(suffix: str) -> str:
    return "view" if suffix == ".png" else "camera of view"


def _reason(error: OSError | UnreadableAssetError) -> str:
    if isinstance(error, UnreadableAssetError):
        return str(error)
    return f"{error.strerror or 'the disk does not answer'}; check the file and its permissions"
