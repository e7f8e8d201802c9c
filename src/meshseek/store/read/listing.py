"""Pages of a catalogue: the assets of a version in an order, how many pass some conditions, and what they are like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import sql

from meshseek.model import Condition
from meshseek.store.queries import Statement, query
from meshseek.store.read.conditions import Shape, shape_of, values_of, where
from meshseek.store.read.facets import EDGES, MOST_VALUES, Counts
from meshseek.store.read.published import VersionChangedError
from meshseek.store.read.reader import AS_IT_IS
from meshseek.store.read.statements import MOST_KEPT
from meshseek.store.read.statistics import COUNTING, read_statistics

if TYPE_CHECKING:
    from meshseek.store.read.published import Published
    from meshseek.store.read.reader import Reader, Session

Key = str | float | None
"""What an asset is sorted by; None where it has nothing of the kind."""


class Column(NamedTuple):
    """A column of the table ``listed``, and its type."""

    name: str
    type: sql.SQL


COLUMNS: Final[Mapping[str, Column]] = {
    "name": Column("name", sql.SQL("text")),
    "faces": Column("faces", sql.SQL("real")),
    "size": Column("size", sql.SQL("real")),
    "date": Column("added", sql.SQL("bigint")),
}
"""What a catalogue is sorted by."""


class Place(NamedTuple):
    """Where an asset stands in an order."""

    key: Key
    asset_id: str
    added: int | None = None
    """When it was first imported, in seconds since 1970; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of a catalogue is wanted.

    Assets that have nothing that it is sorted by come last, whatever the direction.
    """

    by: str
    """One of :data:`COLUMNS`."""
    descending: bool
    limit: int
    conditions: tuple[Condition, ...] = ()
    after: Place | None = None
    """Where the part begins: behind this place, whether there is still an asset there or not."""


class Lot(NamedTuple):
    """Some assets, and what is to be counted among them."""

    fields: Sequence[str]
    asset_ids: Sequence[str]


class Listing:
    """What a catalogue is made of, beside the assets themselves."""

    _reader: Reader

    def listed(self, published: Published, part: Part) -> list[Place]:
        """Places of a part, in their order.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        is_behind_known = part.after is not None and part.after.key is None
        places = [] if is_behind_known else self._listed(published, part, known=True)
        left = part.limit - len(places)
        if left and part.by != "name":  # which every asset has
            rest = replace(part, limit=left, after=part.after if is_behind_known else None)
            places += self._listed(published, rest, known=False)
        return places

    def passing(self, published: Published, conditions: Sequence[Condition]) -> int:
        """How many assets pass.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        rows = self._counted(published, _statement("count_listed", shape_of(conditions)), {}, conditions)
        return int(rows[0]["assets"])

    def most_labels(self, published: Published, fields: Sequence[str]) -> Counts:
        """How many assets of the whole library have the most frequent values of some fields.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        asked = {"fields": list(fields), "limit": MOST_VALUES}
        rows = self._counted(published, _statement("label_counts"), asked)
        return Counts.of(row for row in rows if row["field"] is not None and row["value"] is not None)

    def counts(
        self, published: Published, fields: Sequence[str], conditions: Sequence[Condition], share: int = 1
    ) -> Counts:
        """What is counted among the assets that pass.

        Args:
            published: What is live.
            fields: Those of which something is told.
            conditions: What assets must be like.
            share: Of so many one is counted, a power of two; which, their ids alone say.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        values = {"fields": list(fields), "edges": list(EDGES), "mask": share - 1}
        text = _statement("facets_passing", shape_of(conditions))
        return Counts.of(self._counted(published, text, values, conditions))

    def counts_among(self, published: Published, lots: Sequence[Lot]) -> list[Counts]:
        """What is counted among some assets, of each lot.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        if not lots:
            return []
        values = {
            **_slices("id", [lot.asset_ids for lot in lots]),
            **_slices("field", [lot.fields for lot in lots]),
            "edges": list(EDGES),
        }
        rows = self._of_version(published, _statement("facets_of_lots"), values, AS_IT_IS)
        return [Counts.of(row for row in rows if row["lot"] == number) for number in range(1, len(lots) + 1)]

    def _listed(self, published: Published, part: Part, *, known: bool) -> list[Place]:
        form = (part.by, part.descending, known, part.after is not None)
        values: dict[str, Any] = {"limit": part.limit}
        if part.after is not None:
            values |= {"asset_id": part.after.asset_id} | ({"key": part.after.key} if known else {})
        rows = self._counted(published, _page(*form, shape_of(part.conditions)), values, part.conditions)
        return [Place(row["key"], row["asset_id"], row["added"]) for row in rows if row["asset_id"] is not None]

    def _counted(
        self,
        published: Published,
        text: Statement,
        values: Mapping[str, Any],
        conditions: Sequence[Condition] = (),
    ) -> list[dict[str, Any]]:
        """The rows of a query of the version, at least one."""
        statistics = read_statistics(self._reader, published.assets, conditions, 1)
        return self._of_version(published, text, {**values, **values_of(conditions, statistics)}, COUNTING)

    def _of_version(
        self, published: Published, text: Statement, values: Mapping[str, Any], session: Session
    ) -> list[dict[str, Any]]:
        rows = self._reader.rows(text, values, session)
        if not rows or rows[0]["content"] != published.content:
            self._reader.differs()
            raise VersionChangedError
        return rows


def merged_places(parts: Iterable[Sequence[Place]], part: Part) -> list[Place]:
    """The first of several parts' places, in the order that each of them has: texts by their code points."""
    every = [place for places in parts for place in places]
    known = [place for place in every if place.key is not None]
    unknown = [place for place in every if place.key is None]
    for places in (known, unknown):
        places.sort(key=lambda place: place[:2], reverse=part.descending)
    return [*known, *unknown][: part.limit]


@lru_cache(MOST_KEPT)
def _page(by: str, descending: bool, known: bool, continued: bool, shape: Shape) -> Statement:  # noqa: FBT001
    """The query for a part of a catalogue."""
    column = sql.Identifier(COLUMNS[by].name)
    beyond = sql.SQL("<" if descending else ">")
    after: sql.Composable = sql.SQL("")
    if continued and known:
        after = query("after_known", column=column, beyond=beyond, type=COLUMNS[by].type)
    elif continued:
        after = query("after_unknown", beyond=beyond)
    return Statement.of(
        query(
            "listed",
            column=column,
            known=sql.SQL("IS NOT NULL" if known else "IS NULL"),
            after=after,
            passing=_also_passing(shape),
            direction=sql.SQL("DESC" if descending else "ASC"),
        )
    )


@lru_cache(MOST_KEPT)
def _statement(name: str, shape: Shape = ()) -> Statement:
    """A query that counts."""
    if name == "count_listed":
        return Statement.of(
            query("count_listed", filter=query("filter", conditions=where(shape)) if shape else sql.SQL(""))
        )
    if name == "label_counts":
        return Statement.of(query("label_counts"))
    if name == "facets_of_lots":
        facets = query("facets", among=query("facets_among"), fields=query("fields_of_lot"))
        return Statement.of(query("facets_of_lots", facets=facets))
    among = query("facets_passing", passing=_also_passing(shape))
    return Statement.of(query("facets", among=among, fields=query("fields_of_all")))


def _slices(kind: str, lists: Sequence[Sequence[str]]) -> dict[str, list[int] | list[str]]:
    """Several lists as one, and where each of them begins and ends in it, as PostgreSQL counts."""
    ends = list(accumulate(len(each) for each in lists))
    return {
        f"{kind}s": [each for own in lists for each in own],
        f"first_{kind}s": [end - len(own) + 1 for end, own in zip(ends, lists, strict=True)],
        f"last_{kind}s": ends,
    }


def _also_passing(shape: Shape) -> sql.Composable:
    return query("also_passing", conditions=where(shape)) if shape else sql.SQL("")
