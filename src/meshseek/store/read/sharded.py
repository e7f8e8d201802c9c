"""A library that lies on several shards: each is asked the same at the same time, and only the first of each travel."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from meshseek.store.read.facets import merged_counts
from meshseek.store.read.library import Library, Request, Shares
from meshseek.store.read.listing import merged_places
from meshseek.store.read.merging import (
    MergedExact,
    merged_backgrounds,
    merged_dicts,
    merged_lists,
    merged_rankings,
    merged_samples,
)
from meshseek.store.read.shard_asker import ShardAsker, Source
from meshseek.store.shards import shard_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from meshseek.model import Condition, PublishedAsset, Ranked
    from meshseek.store.read.background import Background
    from meshseek.store.read.facets import Counts
    from meshseek.store.read.listing import Lot, Part, Place
    from meshseek.store.read.published import Published, QueryKind, Target, Tuning


class ShardedLibrary(Library):
    """The reading side of one algorithm whose assets lie on several shards. Safe to share between threads.

    It says what one library of all assets would: scores are cosines that each server computes exactly for the first of
    its own, so they are comparable, and what is told of the whole library (labels and their counts, percentiles,
    thresholds, tunings, words) every shard has.

    Args:
        source: Gives the version that is asked.
        algorithm: Its name.
        shards: How many there are.
    """

    def __init__(self, source: Source, algorithm: str, shards: int) -> None:
        self._asker = ShardAsker(source, shards)
        self._algorithm = algorithm
        self._known: Published | None = None
        self._looked_at = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._asker.close()

    @property
    def replicas(self) -> dict[str, bool]:
        """None: shards have no replicas that are chosen between."""
        return {}

    @property
    def shards(self) -> dict[str, bool]:
        """Whether each shard answers, by name."""
        return self._asker.source.states()

    def pools(self) -> dict[str, dict[str, int]]:
        """What is counted of each pool of connections; their names begin with that of the shard."""
        version = self._asker.source.open_now()
        told = {number: part.pools() for number, part in enumerate(version.parts if version else ())}
        return {f"shard {number + 1} {name}": each for number, pools in told.items() for name, each in pools.items()}

    def answering(self) -> AbstractContextManager[object]:
        """Within it, all that this thread reads comes from the same shards, and from one version."""
        return self._asker.answering()

    def shares(self) -> Shares:
        """How many shards are asked for the answer that this thread works on."""
        with self._asker.answering() as asked:
            return Shares(len(asked.parts), len(asked.version.parts))

    def expect_asked(self, asset_id: str) -> None:
        """See that an asset would have been found if it were there.

        Raises:
            DatabaseDownError: Its shard is not asked for this answer.
        """
        with self._asker.answering() as asked:
            number = shard_of(asset_id, len(asked.version.parts))
            if number not in asked.parts:
                raise self._asker.source.down(number)

    def read_into_memory(self) -> None:
        """Read tables and indexes into the servers' memory, where they can."""
        self._asker.each(Library.read_into_memory)

    def read_codes(self, published: Published) -> None:
        """Read the codes of all shards into this process's memory, if the index kind has any."""
        self._asker.each(lambda part: part.read_codes(published))

    def go_live(self) -> None:
        """Let searches use the files of codes that were made for a version which has just gone live."""
        self._asker.each(Library.go_live)

    def published(self) -> Published:
        """What is published now; see :meth:`Library.published`."""
        self._asker.source.look()
        self._known = self._asker.first(Library.published)
        self._looked_at = time.monotonic()
        return self._known

    def expect_live(self, published: Published) -> None:
        """See that what every shard said so far is of a version."""
        self._asker.each(lambda part: part.expect_live(published))

    def sampled(self, kind: QueryKind, count: int) -> list[tuple[str, NDArray[np.float16]]]:
        """Vectors that stand for queries, and the assets that they are of."""
        return merged_samples(self._asker.each(lambda part: part.sampled(kind, count)), count)

    def exact_answers(self, published: Published, vectors: NDArray[np.float32], limit: int) -> MergedExact:
        """Exact answers to many queries of unit length, shape ``(queries, dim)``, ``limit`` assets each."""
        with self._asker.answering() as asked:
            self._expect_whole()
            parts = [part.exact_answers(published, vectors, limit) for part in asked.parts.values()]
            return MergedExact(parts, limit, partial(self._asker.source.failed, asked.version))

    def keep_tunings(self, published: Published, tunings: Sequence[Tuning]) -> None:
        """Keep what was measured of a version beside it, on every shard."""
        self._expect_whole()
        self._asker.each(lambda part: part.keep_tunings(published, tunings))
        self.published()

    def nearest_captions(
        self, published: Published, vector: NDArray[np.float32], columns: tuple[str, str], request: Request
    ) -> list[Ranked]:
        """Assets by the cosine of their captions; see :meth:`Library.nearest_captions`."""
        told = self._asker.ranked(
            lambda part, count: part.nearest_captions(published, vector, columns, replace(request, among=count))
        )
        return merged_rankings(told, request.limit)

    def nearest_views(self, published: Published, vector: NDArray[np.float32], request: Request) -> list[Ranked]:
        """Distinct assets by the cosine of their best view."""
        told = self._asker.ranked(
            lambda part, count: part.nearest_views(published, vector, replace(request, among=count))
        )
        return merged_rankings(told, request.limit)

    def with_words(self, published: Published, text: str, request: Request) -> list[Ranked]:
        """Assets that have all words of a text."""
        return merged_rankings(self._asker.each(lambda part: part.with_words(published, text, request)), request.limit)

    def words_among(self, text: str, asset_ids: Sequence[str]) -> set[str]:
        """Which of some assets have all words of a text."""
        return set().union(*self._asker.of(asset_ids, lambda part, ids: part.words_among(text, ids)))

    def words_here(self, words: Sequence[str]) -> set[int]:
        """Which of many words, by their places, some asset has."""
        return set().union(*self._asker.each(lambda part: part.words_here(words)))

    def scores(
        self, target: Target, columns: tuple[str, str], vector: NDArray[np.float32], asset_ids: Sequence[str]
    ) -> list[Ranked]:
        """Cosines of some assets, of those that have such vectors; in no order."""
        told = self._asker.of(asset_ids, lambda part, ids: part.scores(target, columns, vector, ids))
        return [ranked for ranking in told for ranked in ranking]

    def background(self, published: Published) -> Background:
        """What stands for the whole version; read once, and again where other shards answer."""
        with self._asker.answering() as asked:
            numbers, known = frozenset(asked.parts), asked.version.background
            if known is None or known[:2] != (published.content, numbers):
                merged = merged_backgrounds(self._asker.each(lambda part: part.background(published)))
                asked.version.background = known = (published.content, numbers, merged)
            return known[2]

    def one(self, published: Published, asset_id: str, request: Request) -> Ranked | None:
        """One asset as if a search had found nothing better, where it is there and passes the conditions."""
        return next(iter(self._asker.of([asset_id], lambda part, _: part.one(published, asset_id, request))), None)

    def shown(self, published: Published, asset_ids: Sequence[str]) -> dict[str, PublishedAsset]:
        """All that is known of some assets, by id."""
        return merged_dicts(self._asker.of(asset_ids, lambda part, ids: part.shown(published, ids)))

    def asset(self, asset_id: str) -> PublishedAsset:
        """One asset.

        Raises:
            NotFoundError: There is none with this id.
            DatabaseDownError: Its shard does not answer.
        """
        for asset in self._asker.of([asset_id], lambda part, _: part.asset(asset_id)):
            return asset
        with self._asker.answering() as asked:
            raise self._asker.source.down(shard_of(asset_id, len(asked.version.parts)))

    def own_vectors(self, asset_id: str) -> dict[Target, NDArray[np.float32]]:
        """What an asset has of a caption vector and the mean of its views, shape ``(dim,)`` each."""
        return merged_dicts(self._asker.of([asset_id], lambda part, _: part.own_vectors(asset_id)))

    def known_as(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Ids of the assets by each name that is an id, or the attribute ``name``, of any."""
        self._expect_whole()
        wanted = list(names)
        return merged_lists(self._asker.each(lambda part: part.known_as(wanted)))

    def with_uids(self, uids: Iterable[str]) -> dict[str, list[str]]:
        """Ids of the assets by Objaverse uid."""
        self._expect_whole()
        wanted = list(uids)
        return merged_lists(self._asker.each(lambda part: part.with_uids(wanted)))

    def facet(self, attribute: str, limit: int = 200) -> list[tuple[str, int]]:
        """The values of an attribute and how many assets of all shards have each, most frequent first."""
        return self._asker.first(lambda part: part.facet(attribute, limit))

    def unknown_labels(self, conditions: Sequence[Condition]) -> list[tuple[str, str]]:
        """Field and value of each word that conditions name and no asset of any shard has."""
        return self._asker.first(lambda part: part.unknown_labels(conditions))

    def listed(self, published: Published, part: Part) -> list[Place]:
        """Places of a part of the catalogue, in their order."""
        return merged_places(self._asker.each(lambda library: library.listed(published, part)), part)

    def passing(self, published: Published, conditions: Sequence[Condition]) -> int:
        """How many assets pass."""
        return sum(self._asker.each(lambda part: part.passing(published, conditions)))

    def most_labels(self, published: Published, fields: Sequence[str]) -> Counts:
        """How many assets of all shards have the most frequent values of some fields."""
        return self._asker.first(lambda part: part.most_labels(published, fields))

    def counts(
        self, published: Published, fields: Sequence[str], conditions: Sequence[Condition], share: int = 1
    ) -> Counts:
        """What is counted among the assets that pass."""
        return merged_counts(self._asker.each(lambda part: part.counts(published, fields, conditions, share)))

    def counts_among(self, published: Published, lots: Sequence[Lot]) -> list[Counts]:
        """What is counted among some assets, of each lot."""

        def count(part: Library, ids: list[str]) -> list[Counts]:
            here = {*ids}
            own = [lot._replace(asset_ids=[each for each in lot.asset_ids if each in here]) for lot in lots]
            return part.counts_among(published, own)

        told = self._asker.of(list(dict.fromkeys(each for lot in lots for each in lot.asset_ids)), count)
        return [merged_counts([counts[place] for counts in told]) for place in range(len(lots))]

    def caption_vectors(self, asset_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The caption vectors of assets, shape ``(dim,)`` each, of those that have any."""
        return merged_dicts(self._asker.of(asset_ids, lambda part, ids: part.caption_vectors(ids)))

    def sizes(self, asset_ids: Sequence[str]) -> dict[str, tuple[float, float, float]]:
        """Width, depth and height of assets in centimetres, NaN where one is not known."""
        return merged_dicts(self._asker.of(asset_ids, lambda part, ids: part.sizes(ids)))

    def appearances(self, asset_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The mean views of assets, shape ``(dim,)`` each, of those that have any."""
        return merged_dicts(self._asker.of(asset_ids, lambda part, ids: part.appearances(ids)))

    def _expect_whole(self) -> None:
        """See that no shard is left out.

        Raises:
            DatabaseError: One is.
        """
        with self._asker.answering() as asked:
            for number in range(len(asked.version.parts)):
                if number not in asked.parts:
                    raise self._asker.source.down(number)
