"""Translates nothing: assets keep the Chinese captions that came with the dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from meshseek.translators import Translation, Translator


class Existing(Translator):
    """The dataset's own Chinese captions only."""

    translates: ClassVar[bool] = False

    def translate(self, texts: Sequence[str]) -> Iterator[Translation]:
        """Leave every text as it is."""
        for text in texts:
            yield Translation(text=text, chinese=None, reason="has no Chinese caption in its library")
