"""Takes the Chinese captions that came with the dataset; translates nothing."""

from __future__ import annotations

from collections.abc import Sequence

from meshseek.model import Asset
from meshseek.translators import Translator


class Existing(Translator):
    """The dataset's own Chinese captions."""

    @property
    def fingerprint(self) -> str:
        """Constant: there is nothing to vary."""
        return "existing"

    def translate(self, assets: Sequence[Asset]) -> list[tuple[str, ...]]:
        """Return each asset's own Chinese captions."""
        return [asset.captions_chinese for asset in assets]
