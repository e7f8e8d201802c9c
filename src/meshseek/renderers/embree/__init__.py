"""The renderer that needs nothing but packages: Intel Embree's rays, and light in numpy."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

from meshseek.errors import UnreadableAssetError
from meshseek.renderers import Renderer
from meshseek.renderers.embree.cameras import FIELD_OF_VIEW, Camera, fit, orbit
from meshseek.renderers.embree.ground import Ground
from meshseek.renderers.embree.picture import Picture
from meshseek.renderers.embree.scene import Model, load_model
from meshseek.renderers.embree.surfaces import Surfaces

REVISION = 2
"""Count it up with each change that changes pictures."""
COMPRESSION = 4


class Embree(Renderer):
    """Ray-traced views on a transparent background, with a soft shadow on the ground.

    Args:
        views: How many viewpoints around the object; the first shows its front and some of its right side.
        size: Width and height of a view in pixels.
    """

    def __init__(self, *, views: int = 8, size: int = 512) -> None:
        super().__init__(views=views, size=size)

    @property
    def fingerprint(self) -> str:
        """Changes when the same model would give other pictures."""
        return f"embree:{REVISION}:{self.views}:{self.size}"

    def render(self, model: Path, destination: Path) -> tuple[int, ...]:
        """Write ``NNNNN/NNNNN.png`` and ``NNNNN/NNNNN.json`` for each viewpoint below ``destination``.

        Raises:
            UnreadableAssetError: The model cannot be read or has nothing to show.
        """
        loaded = load_model(model)
        try:
            seen = self._render_all(loaded, destination)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # embreex and numpy raise whatever odd numbers lead to
            message = f"{model.name} cannot be rendered: its numbers are damaged; export it again"
            raise UnreadableAssetError(message) from error
        if not seen:
            raise UnreadableAssetError(f"{model.name} shows nothing; check that its materials are not all invisible")
        return tuple(range(self.views))

    def _render_all(self, model: Model, destination: Path) -> bool:
        """Write every view; tell whether any of them shows something."""
        surfaces = Surfaces(model, 2 * math.tan(FIELD_OF_VIEW / 2) / self.size)
        ground = Ground(surfaces)
        seen = False
        height = float(np.ptp(model.vertices[:, 2]))
        for viewpoint, direction in enumerate(orbit(self.views, height)):
            camera = fit(model.vertices, direction)
            image = Image.fromarray(Picture(surfaces, ground, camera, self.size).pixels())
            seen = seen or image.getbbox() is not None
            _write(destination / f"{viewpoint:05d}", image, camera, model)
        return seen


def _write(folder: Path, image: Image.Image, camera: Camera, model: Model) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{folder.name}.png", compress_level=COMPRESSION)
    document = json.dumps(camera.document(model.vertices), indent=1)
    (folder / f"{folder.name}.json").write_text(document, encoding="utf-8")
