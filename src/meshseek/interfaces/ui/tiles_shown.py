"""Results as the page shows them: a picture, a line of what they are, and where they lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from meshseek.interfaces.ui.address import Part, State
from meshseek.interfaces.ui.answers import Listed, Result
from meshseek.interfaces.ui.explanation import figure
from meshseek.interfaces.ui.wording import Wording

SMALL, LARGE = 192, 384
"""Sides of a tile's picture, for screens of one and of two dots a pixel."""
DENSE: Final = "meshseek-dense"
"""Cookie of browsers on screens of the second kind. With ``srcset`` they would find out by themselves, but Chromium
never lets go of an image that has one, nor of all that was found beside it."""
MOST_CATEGORY: Final = 24


def tile_picture(url: str | None, side: int = SMALL) -> str:
    """Address of a view's tile; of a plain one where there is no view."""
    return f"/tiles{url}{'&' if '?' in url else '?'}side={side}" if url else f"/tiles/none?side={side}"


def title(asset: Listed, wording: Wording) -> tuple[str, str]:
    """The caption in the user's language, and its language; or what there is instead."""
    captions = [(asset.caption_en, "en"), (asset.caption_zh, "zh")]
    if wording.chinese:
        captions.reverse()
    return next(((caption, name) for caption, name in captions if caption), (asset.asset_id, ""))


def fit(asset: Listed, wording: Wording) -> tuple[str, str]:
    """How well a result fits in words, and the API's word for it; its score where an older API does not say."""
    if not isinstance(asset, Result):
        return "", ""
    word = asset.relevance or ""
    return wording.known(f"relevance.{word}", figure(asset.score)), word if word in {"strong", "fair", "weak"} else ""


class Tiles:
    """Makes tiles of a state.

    Args:
        state: Of the page; tiles lead to others.
        wording: What is written on them.
    """

    def __init__(self, state: State, wording: Wording) -> None:
        self._state = state
        self._wording = wording

    def all(self, assets: Iterable[Listed], agreed: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
        """A tile for each asset.

        Args:
            assets: In their order.
            agreed: Ranks that another algorithm gives to some of them.
        """
        return [self._tile(asset, (agreed or {}).get(asset.asset_id)) for asset in assets]

    def _tile(self, asset: Listed, agreed: int | None) -> dict[str, Any]:
        wording, state = self._wording, self._state
        caption, language = title(asset, wording)
        words, relevance = fit(asset, wording)
        category = wording.label(str(asset.attributes.get("category") or ""))
        copies = len(asset.duplicates) if isinstance(asset, Result) else 0
        basis = asset.basis if isinstance(asset, Result) else ()
        named = wording("agreed", rank=agreed) if agreed else ""
        return {
            "asset_id": asset.asset_id,
            "link": state.link(asset=asset.asset_id, view=None),
            "like": State(parts=(Part(kind="like", value=asset.asset_id),), algorithm=state.algorithm).link(),
            "picture": tile_picture(asset.thumbnail_url),
            "caption": caption,
            "language": language,
            "fit": words,
            "relevance": relevance,
            "category": category if len(category) <= MOST_CATEGORY else f"{category[: MOST_CATEGORY - 1]}…",
            "label": f"{' · '.join(each for each in (words, category, named) if each)}: {caption}".removeprefix(": "),
            "basis": basis,
            "basis_words": wording("list").join(wording(f"basis.{name}") for name in basis),
            "copies": wording.count("tile.copies", copies) if copies else "",
            "agreed": named,
            "chosen": asset.asset_id == state.asset,
        }
