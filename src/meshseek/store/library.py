"""The reading side of one published algorithm: nearest captions, nearest views, and single assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pgvector import HalfVector
from psycopg import sql
from psycopg.rows import dict_row

from meshseek.errors import DatabaseDownError, NotFoundError, NotPublishedError
from meshseek.model import NUMBER_FIELDS, Asset, Condition, Hit, Space, ViewSet
from meshseek.store.filtering import Statistics, where
from meshseek.store.indexes import INDEXES, Index
from meshseek.store.migrate import migrate
from meshseek.store.postgres import POOL_SECONDS, Connection, Server, check_pgvector, translated
from meshseek.store.queries import query

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg_pool import ConnectionPool

CANDIDATES = 400
"""What the index gives at least: for views, the assets that the first stage passes on. With 200, words found .98 of the
exact ten assets of the furniture library by their views; with 400 .997, for half a millisecond more."""
FEW = 10_000
"""Up to so many assets that pass a filter are compared one by one; beyond, the index is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which part of the ranking is wanted."""

    limit: int
    offset: int = 0
    conditions: tuple[Condition, ...] = ()
    exact: bool = False


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

    @property
    def index(self) -> type[Index]:
        """The index kind that was built."""
        return INDEXES.load(self.index_kind)


class Library:
    """One algorithm's database, open for reading. Safe to share between threads.

    Every method raises :class:`DatabaseDownError` while the database cannot be reached, and works again afterwards.
    """

    def __init__(self, server: Server, algorithm: str) -> None:
        self._server = server
        self._algorithm = algorithm
        self._pool: ConnectionPool[Connection] | None = None
        self._opening = Lock()

    def close(self) -> None:
        """Close the connections."""
        with self._opening:
            if self._pool is not None:
                self._pool.close()
            self._pool = None

    def published(self) -> Published:
        """What is published now.

        Raises:
            NotPublishedError: Nothing is.
        """
        rows = self._rows(query("space"), {})
        if not rows:
            raise NotPublishedError(f"nothing is published; run 'meshseek publish --algorithm {self._algorithm}' first")
        row = rows[0]
        space = Space(**{name: row.pop(name) for name in ("embedder", "model", "revision", "dim", "preprocessing")})
        row.pop("schema_version")
        return Published(space=space, **row)

    def nearest_captions(
        self, published: Published, vector: NDArray[np.float32], columns: tuple[str, str], request: Request
    ) -> list[Hit]:
        """Assets by the cosine of their captions in the first column, or in the other where they have none in it."""
        column, other = columns
        if column == "chinese_embedding" and not published.chinese_captions:  # then there is no index on it
            column, other = other, column
        names = ("captions_exact", "captions_exact", published.index.captions_query)
        fragments = {"column": sql.Identifier(column), "other": sql.Identifier(other)}
        return self._hits(published, names, fragments, vector, request)

    def nearest_views(self, published: Published, vector: NDArray[np.float32], request: Request) -> list[Hit]:
        """Distinct assets by the cosine of their best view."""
        names = ("views_exact", "views_of_matching", published.index.views_query)
        return self._hits(published, names, {"best_views": query("best_views")}, vector, request)

    def asset(self, asset_id: str) -> Asset:
        """One asset; the folder of its views is relative to the workspace where the render stage made them.

        Raises:
            NotFoundError: There is none with this id.
        """
        return _asset(self._row("asset", asset_id))

    def appearance_vector(self, asset_id: str) -> NDArray[np.float32]:
        """The mean of an asset's views, shape ``(dim,)``.

        Raises:
            NotFoundError: There is no such asset, or it has no views.
        """
        return self._vector("centroid", asset_id)

    def caption_vector(self, asset_id: str) -> NDArray[np.float32]:
        """An asset's caption vector, shape ``(dim,)``.

        Raises:
            NotFoundError: There is no such asset, or it has no caption.
        """
        return self._vector("caption_vector", asset_id)

    def ids_of(self, names: Sequence[str]) -> list[str]:
        """Ids of the assets whose id or attribute ``name`` is one of the names, sorted."""
        return [row["asset_id"] for row in self._rows(query("ids_of"), {"names": list(names)})]

    def facet(self, attribute: str, limit: int = 200) -> list[tuple[str, int]]:
        """The values of an attribute and how many assets have each, most frequent first."""
        rows = self._rows(query("facet"), {"field": attribute, "limit": limit})
        return [(row["value"], row["count"]) for row in rows]

    def _hits(
        self,
        published: Published,
        names: tuple[str, str, str],
        fragments: Mapping[str, sql.Composable],
        vector: NDArray[np.float32],
        request: Request,
    ) -> list[Hit]:
        """Ask one of three queries: exact, for few matches, or by index; the planner would not choose well."""
        exact, few, index = names
        statistics = self._statistics(published, request.conditions)
        filters, values = _filters(request.conditions, statistics)
        values |= {
            "vector": HalfVector(vector),
            "limit": request.limit,
            "candidates": max(CANDIDATES, 2 * request.limit),
        }

        def ask(name: str) -> list[Hit]:
            return [_hit(row) for row in self._rows(query(name, **fragments, **filters, hits=query("hits")), values)]

        if request.exact:
            return ask(exact)
        if request.conditions and statistics.matching(request.conditions) <= FEW:
            return ask(few)
        hits = ask(index)
        # A scan of the index ends after so many tuples, which may be before enough of them pass the filter.
        return ask(few) if request.conditions and len(hits) < request.limit else hits

    def _statistics(self, published: Published, conditions: Sequence[Condition]) -> Statistics:
        """What is known of the fields that are asked for."""
        labels: dict[tuple[str, str], tuple[int, int]] = {}
        percentiles: dict[str, tuple[Sequence[float], int]] = {}
        named = [(condition.field, value) for condition in conditions for value in condition.values]
        if named:
            fields, values = zip(*named, strict=True)
            rows = self._rows(query("labels_named"), {"fields": list(fields), "values": list(values)})
            labels = {(row["field"], row["value"]): (row["number"], row["assets"]) for row in rows}
        if any(condition.field in NUMBER_FIELDS for condition in conditions):
            rows = self._rows(query("percentiles"), {})
            percentiles = {row["field"]: (row["edges"], row["assets"]) for row in rows}
        return Statistics(published.assets, labels, percentiles)

    def _vector(self, name: str, asset_id: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._row(name, asset_id)["vector"].to_numpy().astype("float32")
        return vector

    def _row(self, name: str, asset_id: str) -> dict[str, Any]:
        rows = [] if "\0" in asset_id else self._rows(query(name), {"asset_id": asset_id})
        if not rows:
            raise NotFoundError(f"there is no asset '{asset_id}' here that can be compared; check the id")
        return rows[0]

    def _rows(self, text: sql.Composed, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        pool = self._open()
        with translated(), pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(text, values).fetchall()

    def _open(self) -> ConnectionPool[Connection]:
        """The pool, once the database was seen to be fit; a pool alone could not tell why it cannot connect."""
        if not self._opening.acquire(timeout=POOL_SECONDS):
            raise DatabaseDownError("the database is still being opened; try again in a moment")
        try:
            if self._pool is None:
                with self._server.connect(self._algorithm) as connection:
                    check_pgvector(connection)
                    migrate(connection)
                self._pool = self._server.pool(self._algorithm)
            return self._pool
        finally:
            self._opening.release()


def _filters(
    conditions: Sequence[Condition], statistics: Statistics
) -> tuple[dict[str, sql.Composable], dict[str, Any]]:
    """The conditions as fragments of the searching queries, and the values that they ask for."""
    if not conditions:
        return {"filter": sql.SQL(""), "filter_views": sql.SQL("")}, {}
    text, values = where(conditions, statistics)
    whole = {"filter": query("filter", conditions=text), "filter_views": query("filter_views", conditions=text)}
    return whole, values


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
    )


def _asset(row: Mapping[str, Any]) -> Asset:
    views = None
    if row["view_folder"] is not None:
        ids = tuple(row["viewpoint_ids"])
        views = ViewSet(folder=Path(row["view_folder"]), viewpoint_ids=ids, fingerprint="")
    return Asset(
        asset_id=row["asset_id"],
        fingerprint="",
        captions_english=tuple(row["captions_english"]),
        captions_chinese=tuple(row["captions_chinese"]),
        model=row["model"],
        views=views,
        attributes=row["attributes"],
    )
