"""A catalogue: all that is published, filtered and in an order, page by page, without a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from meshseek.errors import QueryError
from meshseek.model import Condition, PublishedAsset
from meshseek.search.caching import RecentlyUsed
from meshseek.search.cursors import cursor_of, place_of
from meshseek.search.faceting import catalogue_facets, check_facets
from meshseek.search.filters import Filters, conditions, shown
from meshseek.search.unknown_values import hint
from meshseek.store.read.facets import Facets
from meshseek.store.read.library import Library, Shares
from meshseek.store.read.listing import COLUMNS, Part
from meshseek.store.read.published import Published

SORTS: Final = tuple(sign + name for name in COLUMNS for sign in ("", "-"))
"""Orders of a catalogue: ascending, and with a minus descending."""
MOST_LISTED: Final = 200
USUAL_LISTED: Final = 50
_KEPT = 64
"""Counts that are kept: whoever turns pages needs them again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Browse:
    """Which page is wanted.

    Raises:
        QueryError: On construction, when any part of it cannot be asked for.
    """

    filters: Filters = field(default_factory=dict)
    sort: str = SORTS[0]
    """One of :data:`SORTS`."""
    limit: int = USUAL_LISTED
    cursor: str | None = None
    """Where the page before ended, as it said; None for the first page."""
    facets: Sequence[str] = ()
    """Fields whose values are counted."""

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise QueryError(f"cannot sort by '{shown(self.sort)}'; choose one of: {', '.join(SORTS)}")
        if not 1 <= self.limit <= MOST_LISTED:
            raise QueryError(f"limit is {self.limit}; choose 1 to {MOST_LISTED}")
        check_facets(self.facets)
        _ = self.part

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What assets must be like."""
        return conditions(self.filters)

    @property
    def part(self) -> Part:
        """What the store is asked for: one asset more than is shown, which tells whether there are any."""
        asked = self.conditions
        return Part(
            by=self.sort.removeprefix("-"),
            descending=self.sort.startswith("-"),
            limit=self.limit + 1,
            conditions=asked,
            after=None if self.cursor is None else place_of(self.cursor, self.sort, asked),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An asset of a catalogue."""

    asset: PublishedAsset
    added: int | None
    """When it was first imported, in seconds since 1970; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A page of a catalogue."""

    assets: Sequence[Listed]
    cursor: str | None
    """To be given for the next page; None where this is the last."""
    total: int
    """Assets that pass the filters, on all pages."""
    facets: Facets | None
    """None where nobody asked."""
    hint: str | None
    """Why no asset passes: a filter names what none has; None where some do, or for another reason."""
    version: str
    """Digest of all that the version holds that the page is of."""
    shares: Shares
    """How many shards of the library it comes from."""


class Browser:
    """Gives the pages of one library. Threads may share it.

    Args:
        library: It.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._totals: RecentlyUsed[int] = RecentlyUsed(_KEPT)
        self._facets: RecentlyUsed[Facets] = RecentlyUsed(_KEPT)

    def page(self, published: Published, wanted: Browse) -> Shelf:
        """One page of a version.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        part = wanted.part
        places = self._library.listed(published, part)
        shown = places[: wanted.limit]
        assets = self._library.shown(published, [place.asset_id for place in shown])
        shares = self._library.shares()
        total, facets = self._counted(published, part.conditions, tuple(wanted.facets), shares)
        return Shelf(
            assets=[Listed(asset=assets[place.asset_id], added=place.added) for place in shown],
            cursor=cursor_of(shown[-1], wanted.sort, part.conditions) if len(places) > len(shown) else None,
            total=total,
            facets=facets,
            hint=None if total else hint(self._library, part.conditions),
            version=published.content,
            shares=shares,
        )

    def _counted(
        self, published: Published, passed: tuple[Condition, ...], fields: tuple[str, ...], shares: Shares
    ) -> tuple[int, Facets | None]:
        """How many assets pass, and what they are like.

        Where a shard is away it is counted each time, among those that answer: the next time it may be another.
        """

        def count() -> int:
            return self._library.passing(published, passed)

        def facets() -> Facets:
            return catalogue_facets(self._library, published, fields, passed, total)

        if shares.is_partial:
            total = count()
            return total, facets() if fields else None
        asked = (published.content, passed)
        total = self._totals.get(asked, count) if passed else published.assets
        return total, self._facets.get((*asked, fields), facets) if fields else None
