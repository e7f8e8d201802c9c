"""Search modes: each module here says what a query vector is compared with.

To add a mode, add one file with one :class:`Mode`; its name becomes a ``target``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshseek.model import Hit, Language
from meshseek.plugins import Family

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from meshseek.store.library import Library, Published, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query after embedding."""

    vector: NDArray[np.float32]
    """Unit vector, shape ``(dim,)``."""
    language: Language
    published: Published


class Mode(ABC):
    """One way of comparing."""

    @abstractmethod
    def search(self, library: Library, question: Question, request: Request) -> list[Hit]:
        """The wanted part of the ranking: distinct assets, best first."""


MODES: Family[Mode] = Family(__name__, Mode)  # type: ignore[type-abstract]
