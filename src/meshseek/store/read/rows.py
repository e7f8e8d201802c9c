"""Rows of the database as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meshseek.model import PublishedAsset, Ranked


def ranking_of(rows: Sequence[Mapping[str, Any]], part: str) -> list[Ranked]:
    """The ranking that a search gave, whose only row has no asset where nothing is there.

    Args:
        rows: As the query ``ranked`` ends every search.
        part: What their scores are of.
    """
    return [
        Ranked(
            asset_id=row["asset_id"],
            score=row["score"],
            viewpoint_id=row["viewpoint_id"],
            parts={part: row["score"]},
            is_named=row["is_named"] or False,
        )
        for row in rows
        if row["asset_id"] is not None
    ]


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
