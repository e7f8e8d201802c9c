"""What is live of one algorithm, and how widely its indexes are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from meshseek.errors import DatabaseError
from meshseek.model import Space
from meshseek.relevance import Thresholds
from meshseek.store.indexes import INDEXES, Index

Target = Literal["caption", "appearance"]
QueryKind = Literal["text", "image"]
QueryType = Literal["english", "chinese", "image"]
CAPTION_COLUMNS: Final[Mapping[QueryType, tuple[str, str]]] = {
    "english": ("english_embedding", "chinese_embedding"),
    "chinese": ("chinese_embedding", "english_embedding"),
    "image": ("english_embedding", "chinese_embedding"),
}
"""The captions that a query is compared with; the second stands in where an asset has not the first."""
TARGETS: tuple[Target, ...] = ("caption", "appearance")
QUERY_KINDS: tuple[QueryKind, ...] = ("text", "image")

MAX_EF = 1000
"""What pgvector allows for a graph."""


class VersionChangedError(DatabaseError):
    """Another version than the one that was asked for is live."""

    general = None

    def __init__(self) -> None:
        super().__init__("another version was published meanwhile; run the same command again")


@dataclass(frozen=True, slots=True)
class Breadth:
    """How much of an index is looked at.

    Args:
        ef: Nodes that a search of the graph keeps (``hnsw.ef_search``), or codes that are looked at more closely.
        candidates: Assets that the first stage passes on to the exact second one.
    """

    ef: int
    candidates: int

    def for_depth(self, limit: int) -> Breadth:
        """Wide enough for so many results."""
        candidates = max(self.candidates, 2 * limit)
        return Breadth(max(self.ef, candidates), candidates)


UNKNOWN_TRUST = 0.25
"""Of cross-modal scores, in a library where too few assets have both captions and views to measure it."""
UNTUNED = Breadth(400, 400)
"""With 200, words found .98 of the exact ten assets of the furniture library by their views; with 400 .997."""

UNTUNED_CODES = Breadth(MAX_EF, 1000)
"""With codes of every view, another asset costs 2 microseconds. At a likeness of .7, of 100,000 x 8 views, 300 assets
find .978, 600 find .994 and 1,000 find .998 of the exact ten, and no query less than nine of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A breadth that was measured."""

    target: Target
    kind: QueryKind
    goal: float
    """Mean recall of the exact ten that was asked for."""
    lost_goal: float
    """Share of queries that may be lost, which is to find less than half of the exact ten."""
    ef: int
    candidates: int
    recall: float
    """Mean over the queries."""
    recall_at_least: float
    """The same with 95 % confidence."""
    share_lost: float
    lost_at_most: float
    """The share that is lost, with 95 % confidence."""
    worst: float
    """Recall of the worst query."""
    p50_ms: float
    """Of queries that nobody had asked before."""
    queries: int
    tuned_at: datetime

    @property
    def is_reached(self) -> bool:
        """Whether what was measured is as good as was asked for."""
        return self.recall >= self.goal and self.share_lost <= self.lost_goal

    @property
    def breadth(self) -> Breadth:
        """How widely to ask."""
        return Breadth(self.ef, self.candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What an algorithm's live version is made of."""

    space: Space
    index_kind: str
    assets: int
    english_captions: int
    chinese_captions: int
    views: int
    content: str
    """Digest of everything that was published."""
    published_at: datetime
    tunings: tuple[Tuning, ...] = ()
    thresholds: Mapping[tuple[Target, QueryType], Thresholds] = field(default_factory=dict)
    """How scores are to be read, by what is compared and with what; where nothing is known, everything fits fairly."""
    trust: float = UNKNOWN_TRUST
    """How far cross-modal scores count beside those of the query's own kind, 0 to 1."""
    found: float | None = None
    """How well captions find their own views, as mean reciprocal rank; None where too few assets have both."""

    @classmethod
    def of(
        cls,
        row: Mapping[str, Any],
        tunings: Sequence[Mapping[str, Any]],
        calibrations: Sequence[Mapping[str, Any]],
    ) -> Published:
        """From the tables ``spaces``, ``tunings`` and ``calibrations``."""
        names = ("embedder", "model", "revision", "dim", "preprocessing")
        space = Space(**{name: row[name] for name in names})
        rest = {name: value for name, value in row.items() if name not in names}
        return cls(
            space=space,
            tunings=tuple(Tuning(**tuning) for tuning in tunings),
            thresholds={(each["target"], each["kind"]): _thresholds(each) for each in calibrations},
            **rest,
        )

    @property
    def index(self) -> type[Index]:
        """The index kind that was built."""
        return INDEXES.load(self.index_kind)

    def breadth(self, target: Target, kind: QueryKind) -> Breadth:
        """What was tuned, or else what is wide enough for most libraries."""
        found = (tuning.breadth for tuning in self.tunings if (tuning.target, tuning.kind) == (target, kind))
        return next(found, UNTUNED_CODES if self.index.has_codes else UNTUNED)


def _thresholds(row: Mapping[str, Any]) -> Thresholds:
    return Thresholds(fair=row["fair"], strong=row["strong"], queries=row["queries"])
