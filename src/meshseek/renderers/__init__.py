"""Renderers: each module here makes views of a GLB in the G-Objaverse layout.

To add a renderer, add one file with one :class:`Renderer`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from meshseek.plugins import Family


class Renderer(ABC):
    """Makes views of a model. Objects are pickled to worker processes, so they hold plain values only.

    Args:
        views: How many viewpoints, numbered from 0.
        size: Width and height of a view in pixels.
    """

    def __init__(self, *, views: int, size: int) -> None:
        self.views = views
        self.size = size

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when the same model would give other pictures: renderer, its revision, views, size."""

    @abstractmethod
    def render(self, model: Path, destination: Path) -> tuple[int, ...]:
        """Write ``NNNNN/NNNNN.png`` (RGBA, transparent) and ``NNNNN/NNNNN.json`` (camera) below ``destination``.

        Returns:
            The viewpoint ids that were written, ascending.

        Raises:
            UnreadableAssetError: The model cannot be read or has nothing to show.
        """


RENDERERS: Family[Renderer] = Family(__name__, Renderer)  # type: ignore[type-abstract]
