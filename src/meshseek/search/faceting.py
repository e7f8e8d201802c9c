"""What the results of a search, or the assets of a catalogue, are like: how many have each value of a field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from meshseek.errors import QueryError
from meshseek.model import FILTER_FIELDS, LABEL_FIELDS, RELEVANCES, Condition
from meshseek.search.filters import shown
from meshseek.store.read.facets import Counts, Facets
from meshseek.store.read.listing import Lot

if TYPE_CHECKING:
    from meshseek.search.asking import Judging
    from meshseek.search.modes import Mode, Page
    from meshseek.search.query import Query
    from meshseek.search.question import Question
    from meshseek.store.read.library import Library
    from meshseek.store.read.published import Published

FACETED: Final = 200
"""Results of a query whose values are counted at most, from the first on."""
MOST_COUNTED: Final = 50_000
"""Of up to so many assets of a catalogue each is counted; of more, one of two, of four and so on."""
FITTING: Final = "fair"
"""Results that fit less are not counted, unless the query asks for them or nothing fits."""


def check_facets(fields: Sequence[str]) -> None:
    """Refuse fields that cannot be counted.

    Raises:
        QueryError: One of them is not known, or is there twice.
    """
    for name in fields:
        if name not in FILTER_FIELDS:
            raise QueryError(f"cannot count '{shown(name)}'; known fields: {', '.join(FILTER_FIELDS)}")
    if len({*fields}) < len(fields):
        raise QueryError("a field is to be counted twice; name each facet once")


def ranked_facets(library: Library, mode: Mode, question: Question, judge: Judging, query: Query, page: Page) -> Facets:
    """Count among the first results of a query that fit; see ``docs/how-to/browse-and-filter.md``.

    A field with a filter of its own is counted without it, as if the query were asked so: its other values are what
    somebody might choose instead. That is another ranking, which a query in parts, or of several algorithms, is not
    given: there all fields are counted among the same results.
    """
    least = query.min_relevance or FITTING
    wanted = RELEVANCES[: 1 + RELEVANCES.index(least)]
    left_out = query.left_out
    lots: list[Lot] = []
    groups = [(query.facets, query.conditions)] if mode.ranks_once else _groups(query.facets, query.conditions)
    for fields, conditions in groups:
        request = replace(query.request(FACETED), conditions=conditions)
        ranking = mode.ranked(library, question, request) if lots else page.counted
        ranking = [ranked for ranked in ranking if ranked.asset_id not in left_out]
        fitting = [ranked.asset_id for ranked in ranking if judge.relevance(ranked) in wanted]
        if not fitting and query.min_relevance is None:
            fitting = [ranked.asset_id for ranked in ranking]
        lots.append(Lot(fields, fitting))
    counts = library.counts_among(question.published, lots)
    by_field = {name: each for lot, each in zip(lots, counts, strict=True) for name in lot.fields}
    return Facets.of(len(lots[0].asset_ids), query.facets, by_field)


def catalogue_facets(
    library: Library, published: Published, fields: Sequence[str], conditions: tuple[Condition, ...], total: int
) -> Facets:
    """Count among all assets that pass; among very many, a part that stands for all of them.

    Args:
        library: What is counted in.
        published: What is live.
        fields: Those that are counted, each without a filter of its own.
        conditions: What assets must be like.
        total: How many pass.
    """
    by_field: dict[str, Counts] = {}
    counted = total
    for names, passed in _groups(fields, conditions):
        count = total if passed == conditions else library.passing(published, passed) if passed else published.assets
        # Of the whole library, how many have each label is known.
        known = [name for name in names if name in LABEL_FIELDS] if count > MOST_COUNTED and not passed else []
        by_field |= dict.fromkeys(known, library.most_labels(published, known)) if known else {}
        rest = [name for name in names if name not in known]
        is_main, share = passed == conditions, _share(count)
        if not rest and (known or not is_main or share == 1):  # there is nothing to learn
            continue
        counts = library.counts(published, rest, passed, share)
        by_field |= dict.fromkeys(rest, counts.times(share))
        if is_main and share > 1:
            counted = counts.assets
    return Facets.of(counted, fields, by_field)


def _groups(
    fields: Sequence[str], conditions: tuple[Condition, ...]
) -> Iterator[tuple[Sequence[str], tuple[Condition, ...]]]:
    """Fields that are counted under the same conditions; first those under all, even if there are none."""
    filtered = {condition.field for condition in conditions}
    yield [name for name in fields if name not in filtered], conditions
    for name in fields:
        if name in filtered:
            yield [name], tuple(condition for condition in conditions if condition.field != name)


def _share(count: int) -> int:
    """Of how many assets one is counted."""
    share = 1
    while count > share * MOST_COUNTED:
        share *= 2
    return share
