"""Rows of the database as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meshseek.model import Hit, PublishedAsset


def hits_of(rows: Sequence[Mapping[str, Any]]) -> list[Hit]:
    """The hits of a search, whose only row has no asset where nothing was found."""
    return [_hit(row) for row in rows if row["asset_id"] is not None]


def _hit(row: Mapping[str, Any]) -> Hit:
    return Hit(
        asset_id=row["asset_id"],
        score=row["score"],
        viewpoint_id=row["viewpoint_id"],
        thumbnail=row["thumbnail"],
        caption_english=next(iter(row["captions_english"]), None),
        caption_chinese=next(iter(row["captions_chinese"]), None),
        model=row["model"],
        attributes=row["attributes"],
        version=row["digest"],
    )


def published_asset(row: Mapping[str, Any]) -> PublishedAsset:
    """A row of the table ``assets``; :func:`meshseek.store.write.loading.asset_row` writes it."""
    return PublishedAsset(
        asset_id=row["asset_id"],
        captions_english=tuple(row["captions_english"]),
        captions_chinese=tuple(row["captions_chinese"]),
        model=row["model"],
        view_folder=None if row["view_folder"] is None else Path(row["view_folder"]),
        viewpoint_ids=tuple(row["viewpoint_ids"]),
        attributes=row["attributes"],
        version=row["digest"],
    )
