"""Translators: each module here gives assets their Chinese captions.

To add a translator, add one file with one :class:`Translator`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from meshseek.model import Asset
from meshseek.plugins import Family


class Translator(ABC):
    """Gives assets Chinese captions."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when the same captions would be translated otherwise."""

    @abstractmethod
    def translate(self, assets: Sequence[Asset]) -> list[tuple[str, ...]]:
        """Chinese captions of each asset in the order of ``assets``; empty where there is none."""


TRANSLATORS: Family[Translator] = Family(__name__, Translator)  # type: ignore[type-abstract]
