"""Whom to name for an asset, and what its licence says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshseek.collecting.names import file_names
from meshseek.licences import Terms, terms
from meshseek.model import PublishedAsset
from meshseek.untrusted.text import plain

MODELS = "models"
"""Folder of the models beside the attribution."""
GONE = "no asset here has this id"
NO_MODEL = "it has no model"
LONGEST = 300
"""Characters of what an asset says of itself; the rest is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """One asset of a basket. Its texts are of one line and without orders for terminals, but not escaped otherwise."""

    asset_id: str
    title: str
    file: str
    """Of its model, beside the attribution."""
    creator: str = ""
    """Empty where nobody is named."""
    terms: Terms = field(default_factory=lambda: terms(""))
    source: str = ""
    """Address or name of where it comes from; empty where that is not known."""
    missing: str | None = None
    """Why its model is not there; None where it is."""

    @property
    def line(self) -> str:
        """What to write where the asset is shown: title, creator, licence, source."""
        parts = [f"{self.title} by {self.creator or 'an unnamed creator'}"]
        parts += [self.terms.licence or "no licence stated"]
        parts += [part for part in (self.terms.url, self.source) if part]
        return ", ".join(parts)


def credits_of(
    asset_ids: Sequence[str], assets: Mapping[str, PublishedAsset], missing: Mapping[str, str] | None = None
) -> list[Credit]:
    """Whom to name, in the order of the ids.

    Args:
        asset_ids: Each once.
        assets: Those that are there.
        missing: Why models are not there, by asset.
    """
    files = file_names(asset_ids)
    return [
        _credit(asset_id, assets.get(asset_id), f"{MODELS}/{files[asset_id]}.glb", (missing or {}).get(asset_id))
        for asset_id in asset_ids
    ]


def _credit(asset_id: str, asset: PublishedAsset | None, file: str, missing: str | None) -> Credit:
    if asset is None:
        return Credit(asset_id=asset_id, title=_text(asset_id), file=file, missing=GONE)
    said = asset.attributes
    captions = (*asset.captions_english, *asset.captions_chinese)
    return Credit(
        asset_id=asset_id,
        title=_first(said.get("name"), said.get("title"), *captions, asset_id),
        creator=_first(said.get("creator"), said.get("author")),
        terms=terms(_first(said.get("licence"))),
        source=_first(said.get("source"), said.get("url"), said.get("library")),
        file=file,
        missing=missing or (NO_MODEL if asset.model is None else None),
    )


def _first(*values: Any) -> str:
    """The first that says something."""
    return next((text for text in map(_text, values) if text), "")


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(str(each) for each in value)
    return " ".join(plain(str(value)).split())[:LONGEST] if isinstance(value, str | int | float) else ""
