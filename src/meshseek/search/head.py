"""The first results of a search: what a reranker may put in another order, whichever page is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from meshseek.model import Hit, PublishedAsset, Ranked
from meshseek.rerankers import Wanted
from meshseek.search.phrases import without_quotes
from meshseek.search.query import Query
from meshseek.search.reranking import Found, Outcome, Reranking


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first results, in the order of the search."""

    hits: Sequence[Hit]
    found: Sequence[Found]
    """The same, as they are judged."""
    named: int
    """So many at the beginning are what the query names: they stay where they are."""
    by_id: bool
    """Whether an asset's id was searched: then the others are those most like it, which no words say."""

    @classmethod
    def of(
        cls, ranking: Sequence[Ranked], hits: Sequence[Hit], assets: Mapping[str, PublishedAsset], *, by_id: bool
    ) -> Head:
        """From the first of a ranking, hits that begin with theirs, and what is known of them."""
        first = hits[: len(ranking)]
        return cls(
            hits=first,
            found=[Found(asset=assets[hit.asset_id], viewpoint_id=hit.thumbnail) for hit in first],
            named=sum(1 for _ in takewhile(lambda ranked: ranked.is_named, ranking)),
            by_id=by_id,
        )

    def judged(self, reranking: Reranking | None, query: Query) -> Outcome:
        """What a reranker makes of them."""
        if reranking is None or query.rerank is None:
            return Outcome(order=None, note="there are no rerankers here")
        if query.parts:
            return Outcome(order=None, note="the query has several parts, and a reranker looks at one text or picture")
        if self.by_id:
            return Outcome(order=None, note="an asset's id was searched, which a reranker does not know")
        wanted = Wanted(text=None if query.text is None else without_quotes(query.text), image=query.image)
        offset = max(0, query.offset - self.named)
        return reranking.judge(query.rerank, wanted, self.found[self.named :], offset)

    def page(self, hits: Sequence[Hit], query: Query, outcome: Outcome | None) -> list[Hit]:
        """The hits of a page: those of the search, with the first results in their new order."""
        if outcome is None or outcome.order is None:
            return list(hits)
        rest = self.hits[self.named :]
        first = [*self.hits[: self.named], *(rest[place] for place in outcome.order)]
        here = first[query.offset : query.offset + len(hits)]
        return [*here, *hits[len(here) :]]
