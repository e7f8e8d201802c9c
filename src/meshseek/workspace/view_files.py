"""Where the picture of one view is, in the layouts that G-Objaverse is found in."""

from __future__ import annotations

from pathlib import Path

from meshseek.errors import NotFoundError

LAYOUTS = ("", "campos_512_v4")


def view_file(folder: Path, viewpoint_id: int) -> Path:
    """Path of one view's PNG.

    Raises:
        NotFoundError: There is no such view.
    """
    name = f"{viewpoint_id:05d}"
    for layout in LAYOUTS:
        path = folder / layout / name / f"{name}.png"
        if path.is_file():
            return path
    raise NotFoundError(f"{folder} has no view {viewpoint_id}; run 'meshseek render' or check the dataset's folder")
