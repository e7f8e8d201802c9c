"""What a state of the page asks of the API, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from meshseek.errors import InputError, MeshseekError
from meshseek.interfaces.ui.address import DEEPEST, Part, State
from meshseek.interfaces.ui.answers import USUAL, Abilities, Answer, Asked, Facet, Listed, Search, Spread
from meshseek.interfaces.ui.client import GONE, ApiClient, coded

FACETS: Final = ("category", "tags", "permits", "licence", "creator", "library", "faces", "height")
"""Fields that are offered to filter by, in this order."""
MOST_AT_ONCE: Final = 200
"""Results that the API gives at a time."""
TOGETHER: Final = "The search service is too old to search for several things at once; update it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Results, and what is told of them together."""

    results: tuple[Listed, ...] = ()
    answer: Answer | None = None
    """Of a search; None where the library is browsed."""
    facets: dict[str, tuple[Facet, ...] | Spread] | None = None
    total: int | None = None
    """Assets that could be shown, where that is known."""
    cursor: str | None = None
    more: bool = False
    """Whether there may be others."""
    can_browse: bool = True


class Finder:
    """Asks the API for what a state shows.

    Args:
        client: The API.
        abilities: What it can be asked.
        picture: Gives the file of an uploaded picture by its name; None where it is gone.
        otherwise: The algorithm to name where a state names none; None leaves the choice to the API.
    """

    def __init__(
        self,
        client: ApiClient,
        abilities: Abilities,
        picture: Callable[[str], Path | None],
        otherwise: str | None = None,
    ) -> None:
        self._client = client
        self._abilities = abilities
        self._picture = picture
        self._otherwise = otherwise

    def find(self, state: State, before: Found | None = None) -> Found:
        """What a state shows.

        Args:
            state: Of the page.
            before: Its first results, where they are known.
        """
        if not state.parts:
            return self._browsed(state, before)
        wanted = min(state.count * state.pages, DEEPEST)
        found = before or Found()
        while len(found.results) < wanted and (found.more or not found.results):
            offset = len(found.results)
            limit = min(wanted - offset, MOST_AT_ONCE)
            answer = self._answer(replace(self.search(state), limit=limit), offset)
            results = found.results + answer.results
            more = len(answer.results) == limit and len(results) < DEEPEST
            first = found.answer or answer
            found = Found(results=results, answer=first, facets=self._facets(state, first), more=more)
            if not answer.results:
                break
        return found

    def search(self, state: State) -> Search:
        """The search of a state."""
        able = self._abilities.options
        return Search(
            parts=tuple(self._asked(part) for part in state.parts),
            algorithm=state.algorithm or self._otherwise,
            target=state.target or None,
            language=state.language or None,
            cross_modal=state.cross_modal,
            varied=not state.plain,
            collapsed=not state.copies and "collapsed" in able,
            filters=state.asked_filters,
            facets=FACETS if "facets" in able else (),
            limit=state.count,
        )

    def _answer(self, search: Search, offset: int) -> Answer:
        only = search.only
        if "/search" in self._abilities.paths or (only is not None and not only.asset_id):
            return self._client.search(search, offset)
        if only is None:
            raise coded(InputError(TOGETHER), "too_old")
        if offset:
            return Answer(results=(), algorithm=search.algorithm or "", target="")
        return self._client.similar(only.asset_id, search)

    def _asked(self, part: Part) -> Asked:
        if part.kind == "q":
            return Asked(text=part.value, weight=part.weight)
        if part.kind == "like":
            return Asked(asset_id=part.value, weight=part.weight)
        picture = self._picture(part.value)
        if picture is None:
            raise coded(InputError(GONE), "picture_gone")
        return Asked(picture=picture, weight=part.weight)

    def _browsed(self, state: State, before: Found | None) -> Found:
        if "/assets" not in self._abilities.paths:
            return Found(can_browse=False, facets=self._facets(state, None))
        wanted, found = min(state.count * state.pages, DEEPEST), before or Found(more=True)
        while found.more and len(found.results) < wanted:
            asked: dict[str, Any] = {
                "algorithm": state.algorithm or self._otherwise,
                "filters": state.asked_filters,
                "sort": state.sort or "-date",
                "limit": min(wanted - len(found.results), MOST_AT_ONCE),
                "facets": () if found.facets else FACETS,
            }
            page = self._client.browse(found.cursor, **asked)
            results = found.results + page.assets
            found = Found(
                results=results,
                facets=found.facets or page.facets,
                total=page.total,
                cursor=page.cursor,
                more=page.cursor is not None and len(results) < DEEPEST,
            )
        return found

    def _facets(self, state: State, answer: Answer | None) -> dict[str, tuple[Facet, ...] | Spread]:
        if answer is not None and answer.facets:
            return answer.facets
        try:  # an API that is older than counts for a query
            return {"category": tuple(self._client.categories(state.algorithm or self._otherwise or USUAL))}
        except MeshseekError:  # one can search without them
            return {}


def agreement(first: Sequence[Listed], second: Sequence[Listed]) -> dict[str, int]:
    """Ranks in the second list of what stands in both, the first is 1."""
    ranks = {each.asset_id: rank for rank, each in enumerate(second, 1)}
    return {each.asset_id: ranks[each.asset_id] for each in first if each.asset_id in ranks}
