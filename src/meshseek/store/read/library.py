"""The reading side of one published algorithm: nearest captions, nearest views, and single assets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import HalfVector
from psycopg import sql

from meshseek.errors import DatabaseError, NotFoundError, NotPublishedError
from meshseek.language import bigrams, without_han
from meshseek.model import LABEL_FIELDS, NUMBER_FIELDS, Asset, Condition, Hit
from meshseek.store.postgres import Server
from meshseek.store.queries import query
from meshseek.store.read.conditions import WORDS, Statistics, shape_of, values_of
from meshseek.store.read.published import MAX_EF, UNTUNED, Breadth, Published, QueryKind, Target, Tuning
from meshseek.store.read.reader import Reader, Session
from meshseek.store.read.rows import asset_of, hits_of
from meshseek.store.read.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_WORDS = 5_000
"""Assets with the words of a query that are ranked at most."""
FEW = 15_000
"""Up to so many assets that pass a filter are compared one by one: 1.7 microseconds each, and nothing is missed."""
MANY = 0.25
"""Where so large a part of the library passes, the index finds enough of them nearby, whatever they have in common."""
VERY_FEW = 2_000
"""So many are compared faster than the index is asked."""
MOST_COMPARED = 100_000
"""Up to so many are compared where the index has found too few; of more, what it has found must do."""
REMEMBERED_SECONDS = 30.0
"""How long a service searches with the tunings that it has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which part of the ranking is wanted."""

    limit: int
    offset: int = 0
    conditions: tuple[Condition, ...] = ()
    exact: bool = False
    collapsed: bool = False
    """Assets that look the same count as one."""
    breadth: Breadth | None = None
    """How widely to ask; None for what was tuned."""


class VersionChangedError(DatabaseError):
    """Another version than the one that was asked for is live."""

    def __init__(self) -> None:
        super().__init__("another version was published meanwhile; run the same command again")


class Library:
    """One algorithm's database, open for reading. Safe to share between threads.

    Every method raises :class:`DatabaseDownError` while the database cannot be reached, and works again afterwards.
    """

    def __init__(self, server: Server, algorithm: str) -> None:
        self._algorithm = algorithm
        self._reader = Reader(server, algorithm)
        self._known: Published | None = None
        self._looked_at = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()

    def read_into_memory(self) -> None:
        """Read tables and indexes into the server's memory, where it can."""
        self._reader.read_into_memory()

    def published(self) -> Published:
        """What is published now.

        Raises:
            NotPublishedError: Nothing is.
        """
        rows = self._reader.rows(query("space"), {})
        if not rows:
            raise NotPublishedError(f"nothing is published; run 'meshseek publish --algorithm {self._algorithm}' first")
        self._known = Published.of(rows[0], self._reader.rows(query("tunings"), {}))
        self._looked_at = time.monotonic()
        return self._known

    def last_known(self) -> Published:
        """What was published when this was last looked at: a search tells when it no longer is, but not of tunings."""
        recently = time.monotonic() - self._looked_at < REMEMBERED_SECONDS
        return self._known if self._known and recently else self.published()

    def nearest_captions(
        self, published: Published, vector: NDArray[np.float32], columns: tuple[str, str], request: Request
    ) -> list[Hit]:
        """Assets by the cosine of their captions in the first column, or in the other where they have none in it.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        if columns[0] == "chinese_embedding" and not published.chinese_captions:  # then there is no index on it
            columns = (columns[1], columns[0])
        names = ("captions_exact", "captions_exact", published.index.captions_query)
        return self._hits(published, [(name, columns) for name in names], vector, request)

    def nearest_views(self, published: Published, vector: NDArray[np.float32], request: Request) -> list[Hit]:
        """Distinct assets by the cosine of their best view.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        names = ("views_exact", "views_of_matching", published.index.views_query)
        return self._hits(published, [(name, None) for name in names], vector, request)

    def with_words(self, published: Published, text: str, request: Request) -> list[Hit]:
        """Assets that have all words of a text, by how often and how near to each other they stand.

        Quotes mean nothing here: phrases are conditions.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        pairs = bigrams(text)
        single = [pair for pair in pairs.split() if len(pair) == 1]
        statistics = self._statistics(published, request.conditions)
        values = {
            "latin": without_han(text).replace('"', " "),
            "pairs": " ".join(pair for pair in pairs.split() if len(pair) > 1),
            "single": " & ".join(f"{character}:*" for character in single),
            "limit": request.limit,
            "bound": MOST_WORDS,
            **values_of(request.conditions, statistics),
        }
        return self._found(published, statement("words", None, shape_of(request.conditions)), values, _session(request))

    def hit(self, published: Published, asset_id: str, request: Request) -> Hit | None:
        """One asset as a search would find it, where it is there and passes the conditions.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        statistics = self._statistics(published, request.conditions)
        values = {"asset_id": asset_id, **values_of(request.conditions, statistics)}
        found = self._found(published, statement("one", None, shape_of(request.conditions)), values, _session(request))
        return found[0] if found else None

    def asset(self, asset_id: str) -> Asset:
        """One asset; the folder of its views is relative to the workspace where the render stage made them.

        Raises:
            NotFoundError: There is none with this id.
        """
        return asset_of(self._row("asset", asset_id))

    def own_vectors(self, asset_id: str) -> dict[Target, NDArray[np.float32]]:
        """What an asset has of a caption vector and the mean of its views, shape ``(dim,)`` each."""
        rows = self._reader.rows(query("own_vectors"), {"asset_id": asset_id}) if "\0" not in asset_id else []
        return {row["target"]: row["vector"].to_numpy().astype(np.float32) for row in rows}

    def ids_of(self, names: Sequence[str]) -> list[str]:
        """Ids of the assets whose id or attribute ``name`` is one of the names, sorted."""
        return [row["asset_id"] for row in self._reader.rows(query("ids_of"), {"names": list(names)})]

    def facet(self, attribute: str, limit: int = 200) -> list[tuple[str, int]]:
        """The values of an attribute and how many assets have each, most frequent first."""
        rows = self._reader.rows(query("facet"), {"field": attribute, "limit": limit})
        return [(row["value"], row["count"]) for row in rows]

    def appearances(self, asset_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The mean views of assets, shape ``(dim,)`` each, of those that have any."""
        rows = self._reader.rows(query("centroids"), {"ids": list(asset_ids)})
        return {row["asset_id"]: row["vector"].to_numpy().astype(np.float32) for row in rows}

    def sample(self, kind: QueryKind, count: int) -> NDArray[np.float32]:
        """Vectors that stand for queries: of captions for texts, of views for pictures; shape ``(<= count, dim)``."""
        name = "sample_captions" if kind == "text" else "sample_views"
        rows = self._reader.rows(query(name), {"count": count})
        return np.array([row["vector"].to_numpy() for row in rows], dtype=np.float32)

    def keep_tunings(self, published: Published, tunings: Sequence[Tuning]) -> None:
        """Keep what was measured of a version beside it, for all who search in it.

        Raises:
            VersionChangedError: Another version went live since.
        """
        for tuning in tunings:
            if not self._reader.rows(query("keep_tuning"), {**asdict(tuning), "content": published.content}):
                raise VersionChangedError
        self.published()

    def _hits(
        self,
        published: Published,
        queries: Sequence[tuple[str, tuple[str, str] | None]],
        vector: NDArray[np.float32],
        request: Request,
    ) -> list[Hit]:
        """Ask one of three queries: exact, for few matches, or by index; the planner would not choose well."""
        exact, few, index = queries
        statistics = self._statistics(published, request.conditions)
        filters = shape_of(request.conditions)
        breadth = (request.breadth or UNTUNED).for_depth(request.limit)
        values = {
            "vector": HalfVector(vector),
            "limit": request.limit,
            "candidates": breadth.candidates,
            **values_of(request.conditions, statistics),
        }

        def ask(name: str, columns: tuple[str, str] | None, ef: int) -> list[dict[str, Any]]:
            text = statement(name, columns, filters, published.space.dim)
            return self._rows(published, text, values, _session(request, ef))

        if request.exact or published.index_kind == "exact":
            return hits_of(ask(*exact, breadth.ef))
        if not request.conditions:
            return hits_of(ask(*index, breadth.ef))
        matching = statistics.matching(request.conditions)
        if matching <= VERY_FEW or matching <= min(FEW, MANY * published.assets):
            return hits_of(ask(*few, breadth.ef))
        # One wide search of the graph is faster than several narrow ones that each find too few that pass.
        rows = ask(*index, min(MAX_EF, breadth.ef + round(breadth.candidates * published.assets / matching)))
        # A scan of the index ends after so many tuples, which may be before enough of them pass the filter.
        many = matching > MOST_COMPARED or any(count > FEW for count in statistics.phrases.values())
        enough = request.limit if many else breadth.candidates
        return hits_of(rows if rows[0]["candidates"] >= enough else ask(*few, breadth.ef))

    def _found(self, published: Published, text: bytes, values: Mapping[str, Any], search: Session) -> list[Hit]:
        return hits_of(self._rows(published, text, values, search))

    def _rows(
        self, published: Published, text: bytes, values: Mapping[str, Any], search: Session
    ) -> list[dict[str, Any]]:
        """The rows of a search, at least one; one without an asset where nothing is found."""
        rows = self._reader.rows(text, values, search)
        if not rows or rows[0]["content"] != published.content:
            raise VersionChangedError
        return rows

    def _statistics(self, published: Published, conditions: Sequence[Condition]) -> Statistics:
        """What is known of the fields that are asked for."""
        labels: dict[tuple[str, str], tuple[int, int]] = {}
        percentiles: dict[str, tuple[Sequence[float], int]] = {}
        phrases: dict[str, int] = {}
        named = [(c.field, value) for c in conditions if c.field in LABEL_FIELDS for value in c.values]
        if named:
            fields, values = zip(*named, strict=True)
            rows = self._reader.rows(query("labels_named"), {"fields": list(fields), "values": list(values)})
            labels = {(row["field"], row["value"]): (row["number"], row["assets"]) for row in rows}
        if any(condition.field in NUMBER_FIELDS for condition in conditions):
            rows = self._reader.rows(query("percentiles"), {})
            percentiles = {row["field"]: (row["edges"], row["assets"]) for row in rows}
        for phrase in (condition.values[0] for condition in conditions if condition.field == WORDS):
            asked = query("phrase", latin=sql.Placeholder("latin"), pairs=sql.Placeholder("pairs"))
            words = {"latin": without_han(phrase), "pairs": bigrams(phrase), "bound": FEW + 1}
            phrases[phrase] = self._reader.rows(query("count_words", phrase=asked), words)[0]["count"]
        return Statistics(published.assets, labels, percentiles, phrases)

    def _row(self, name: str, asset_id: str) -> dict[str, Any]:
        rows = [] if "\0" in asset_id else self._reader.rows(query(name), {"asset_id": asset_id})
        if not rows:
            raise NotFoundError(f"there is no asset '{asset_id}' here that can be compared; check the id")
        return rows[0]


def _session(request: Request, ef: int = UNTUNED.ef) -> Session:
    """Statements without a filter need no plan of their own; with one, what is best depends on its values."""
    return Session(ef, "force_custom_plan" if request.conditions or request.exact else "force_generic_plan")
