"""Rows of the database as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.model import PublishedAsset, Ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


def vectors_of(row: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Vectors by asset id, shape ``(dim,)`` each, of a row that has all of them in one value, and whose they are."""
    ids = row["ids"]
    if ids is None:
        return {}
    sent = np.frombuffer(row["vectors"], dtype=">f2").reshape(len(ids), -1)
    halves = sent[:, 2:]  # before each stand its dimension and two bytes without a meaning
    return dict(zip(ids, halves.astype(np.float32), strict=True))
