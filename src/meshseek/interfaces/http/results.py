"""Results as they go over the wire, and the addresses of what belongs to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, Field

from meshseek.model import Hit, Relevance
from meshseek.search.basis import Basis, basis
from meshseek.search.browsing import Listed


class TextShare(BaseModel):
    """One of the texts that the asset's caption vector is made of."""

    text: str
    gave: float = Field(description="Its part of the cosine")


class Explanation(BaseModel):
    """What a score rests on."""

    parts: dict[str, float] = Field(
        description="Cosines with captions and views, their standard scores and weights, what words and size added"
    )
    texts: list[TextShare] = Field(description="Where captions were compared, and telling it is not paid")

    @classmethod
    def of(cls, hit: Hit) -> Explanation:
        """Of a hit."""
        texts = [TextShare(text=share.text, gave=round(share.gave, 4)) for share in hit.texts]
        return cls(parts={name: round(value, 4) for name, value in hit.parts.items()}, texts=texts)


class Result(BaseModel):
    """One ranked asset."""

    asset_id: str
    score: float = Field(description="Comparable within one answer only")
    relevance: Relevance = Field(description="How well it fits, as the scores of this library are to be read")
    caption_en: str | None
    caption_zh: str | None
    viewpoint_id: int | None
    thumbnail_url: str | None
    model_url: str | None
    attributes: dict[str, Any]
    basis: list[Basis] = Field(description="What the match rests on most; empty where the query is its name")
    duplicates: list[str] = Field(description="Assets that look the same, where they were collapsed into this one")
    explanation: Explanation | None = Field(None, description="What its score rests on, where that was asked for")

    @classmethod
    def of(cls, hit: Hit, algorithm: str, *, explained: bool = False) -> Result:
        """From a hit of an algorithm."""
        return cls(
            asset_id=hit.asset_id,
            score=hit.score,
            relevance=hit.relevance,
            caption_en=hit.caption_english,
            caption_zh=hit.caption_chinese,
            viewpoint_id=hit.viewpoint_id,
            thumbnail_url=None
            if hit.thumbnail is None
            else view_url(hit.asset_id, hit.thumbnail, algorithm, hit.version),
            model_url=None if hit.model is None else model_url(hit.asset_id, algorithm, hit.version),
            attributes=dict(hit.attributes),
            basis=list(basis(hit.parts)),
            duplicates=list(hit.duplicates),
            explanation=Explanation.of(hit) if explained else None,
        )


class ListedAsset(BaseModel):
    """One asset of the catalogue."""

    asset_id: str
    caption_en: str | None
    caption_zh: str | None
    viewpoint_id: int | None = Field(description="The view that is shown: the first; null where there are none")
    thumbnail_url: str | None
    model_url: str | None
    attributes: dict[str, Any]
    added: datetime | None = Field(description="When it was first imported; null where an older Meshseek did that")

    @classmethod
    def of(cls, listed: Listed, algorithm: str) -> ListedAsset:
        """From an asset of an algorithm's catalogue."""
        asset = listed.asset
        viewpoint = next(iter(asset.viewpoint_ids), None)
        of_version = (algorithm, asset.version)
        return cls(
            asset_id=asset.asset_id,
            caption_en=next(iter(asset.captions_english), None),
            caption_zh=next(iter(asset.captions_chinese), None),
            viewpoint_id=viewpoint,
            thumbnail_url=None if viewpoint is None else view_url(asset.asset_id, viewpoint, *of_version),
            model_url=None if asset.model is None else model_url(asset.asset_id, *of_version),
            attributes=dict(asset.attributes),
            added=None if listed.added is None else datetime.fromtimestamp(listed.added, UTC),
        )


def model_url(asset_id: str, algorithm: str | None, version: str) -> str:
    """Path of an asset's model, as an algorithm publishes it; another one for each version, so that it may be kept."""
    return f"/assets/{quote(asset_id)}/model{_of(algorithm, version)}"


def view_url(asset_id: str, viewpoint_id: int, algorithm: str | None, version: str) -> str:
    """Path of one view, likewise; slashes in the id stay."""
    return f"/assets/{quote(asset_id)}/views/{viewpoint_id}{_of(algorithm, version)}"


def _of(algorithm: str | None, version: str) -> str:
    asked = f"algorithm={quote_plus(algorithm)}&" if algorithm else ""
    return f"?{asked}v={quote_plus(version)}"
