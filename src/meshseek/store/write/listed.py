"""What a catalogue is sorted by."""

from __future__ import annotations

from collections.abc import Sequence

from meshseek.model import NUMBER_FIELDS, Asset, AssetTexts
from meshseek.sizes import SIDES
from meshseek.store.write.text_copy import Value

LONGEST_NAME = 100
"""Characters of a name that count: it is a key of an index, beside the asset's id."""


def listed_row(asset: Asset, labels: Sequence[int], figures: Sequence[float | None]) -> Sequence[Value]:
    """A row of the table ``listed``.

    Args:
        asset: It.
        labels: Numbers of its labels.
        figures: Its numbers in the order of ``NUMBER_FIELDS``; None where it has none.
    """
    return (asset.asset_id, sorted_as(asset), asset.added, longest_side(figures), labels, *figures)


def sorted_as(asset: Asset) -> str:
    """The name by which an asset is sorted: its own, or else a caption, or its id; in small letters."""
    texts = AssetTexts.of(asset)
    name = next((text for text in (texts.name, *texts.english, *texts.chinese) if text.strip()), asset.asset_id)
    return name.strip().casefold()[:LONGEST_NAME]


def longest_side(figures: Sequence[float | None]) -> float | None:
    """The size by which an asset is sorted, in centimetres; None where no side is known."""
    sides = [figures[NUMBER_FIELDS.index(name)] for name in SIDES]
    return max((side for side in sides if side is not None), default=None)
