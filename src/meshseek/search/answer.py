"""What an algorithm says to a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from meshseek.model import Hit
from meshseek.search.asking import AnsweredPart
from meshseek.store.read.facets import Facets
from meshseek.store.read.library import WHOLE, Shares
from meshseek.store.read.published import QueryType


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The hits of one query, and what it took."""

    hits: Sequence[Hit]
    nothing_close: bool
    """Whether even the best of all assets fits weakly: there is probably nothing like this here."""
    algorithm: str
    version: str
    """Digest of all that the version holds that was asked."""
    query_type: QueryType
    cross_modal: bool
    target: str
    embed_ms: float
    search_ms: float
    total_ms: float
    explained: bool = False
    """Whether it was asked what scores rest on."""
    shares: Shares = WHOLE
    """How many shards of the library it comes from."""
    hint: str | None = None
    """Why nothing is found: a filter names what no asset has; None where something is, or for another reason."""
    facets: Facets | None = None
    """What its first results are like; None where nobody asked."""
    translated_query: str | None = None
    """The English words that were searched in place of a Chinese query."""
    reranked_by: str | None = None
    """Name of the reranker that put the first results in order; None where none was asked, or it could not."""
    note: str | None = None
    """What became of the reranking that was asked for: why it could not be done, or what it took."""
    general_note: str | None = None
    """The same for strangers: without addresses and paths."""
    parts: Sequence[AnsweredPart] = ()
    """What became of each part of a query in parts."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """What was asked by each algorithm, of which the first is :attr:`algorithm`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """Assets like one asset, best first."""

    hits: Sequence[Hit]
    shares: Shares
    """How many shards of the library they come from."""
