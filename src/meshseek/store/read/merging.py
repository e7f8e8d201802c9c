"""What several parts of a library say, as the whole would say it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from meshseek.errors import DatabaseDownError, DatabaseError, NotPublishedError
from meshseek.store.read.background import VIEWED, Background
from meshseek.store.read.versions import at_random

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.model import Ranked
    from meshseek.store.read.exact import Exact
    from meshseek.store.read.published import Target

K = TypeVar("K")
V = TypeVar("V")


def merged_rankings(rankings: Iterable[Sequence[Ranked]], limit: int) -> list[Ranked]:
    """The first of several rankings of different assets, in the order that each of them has."""
    every = [ranked for ranking in rankings for ranked in ranking]
    every.sort(key=lambda ranked: (not ranked.is_named, -ranked.score, ranked.asset_id))
    return every[:limit]


def merged_dicts(parts: Iterable[Mapping[K, V]]) -> dict[K, V]:
    """All of several dictionaries of different keys."""
    return {key: value for part in parts for key, value in part.items()}


def merged_lists(parts: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    """What stands under each key of several dictionaries, in order."""
    merged: dict[str, list[str]] = {}
    for part in parts:
        for key, values in part.items():
            merged.setdefault(key, []).extend(values)
    return {key: sorted(values) for key, values in merged.items()}


def merged_samples(
    parts: Iterable[Sequence[tuple[str, NDArray[np.float16]]]], count: int
) -> list[tuple[str, NDArray[np.float16]]]:
    """The assets that are sampled of the whole, from the samples of its parts."""
    every = [each for part in parts for each in part]
    every.sort(key=lambda each: at_random(each[0]))
    return every[:count]


def merged_backgrounds(parts: Sequence[Background]) -> Background:
    """What stands for the whole, from what stands for its parts; all have the same words."""
    first = parts[0]
    caption_ids = [asset_id for part in parts for asset_id in part.caption_ids]
    order = sorted(range(len(caption_ids)), key=caption_ids.__getitem__)
    captions = {}
    for column in first.captions:
        rows = [part.captions[column] for part in parts if len(part.caption_ids)]
        captions[column] = np.concatenate(rows)[order] if rows else first.captions[column]
    views = merged_dicts(_views_of(part) for part in parts)
    chosen = sorted(sorted(views, key=at_random)[:VIEWED])
    counts = [len(views[asset_id]) for asset_id in chosen]
    return Background(
        dim=first.dim,
        caption_ids=[caption_ids[place] for place in order],
        captions=captions,
        view_ids=chosen,
        views=np.concatenate([views[asset_id] for asset_id in chosen]) if chosen else first.views,
        has_single_views=any(part.has_single_views for part in parts),
        starts=np.cumsum([0, *counts[:-1]], dtype=np.intp) if chosen else first.starts,
        words=first.words,
        languages=first.languages,
        world=first.world,
    )


def _views_of(part: Background) -> dict[str, NDArray[np.float32]]:
    """The views of each asset, shape ``(views, dim)``."""
    return dict(zip(part.view_ids, np.split(part.views, part.starts[1:]), strict=True)) if part.view_ids else {}


class MergedExact:
    """Exact answers of the whole, from those of its parts, which are looked through one after the other.

    Args:
        parts: Find the answers of each part.
        limit: Assets for each query.
        failed: What is to be raised where a part cannot be asked, given its number and what it said.
    """

    def __init__(self, parts: Sequence[Exact], limit: int, failed: Callable[[int, DatabaseError], Exception]) -> None:
        self._parts, self._limit, self._failed = parts, limit, failed

    def by(
        self,
        target: Target,
        columns: tuple[str, str],
        answers: list[list[Ranked]],
        among: Collection[str] | None = None,
    ) -> Iterator[int]:
        """See :meth:`meshseek.store.read.exact.ExactAnswers.by`.

        Raises:
            VersionChangedError: Another version is live.
            DatabaseError: A shard cannot be asked.
        """
        told: list[list[list[Ranked]]] = []
        for number, part in enumerate(self._parts):
            told.append([])
            try:
                yield from part.by(target, columns, told[-1], among)
            except (DatabaseDownError, NotPublishedError) as error:
                raise self._failed(number, error) from error
        answers.extend(merged_rankings(rankings, self._limit) for rankings in zip(*told, strict=True))
