"""What the page shows for its address. Each handler returns what changes, by component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from meshseek.errors import MeshseekError, ServiceError
from meshseek.interfaces.ui import summing_up
from meshseek.interfaces.ui.address import USUAL, State
from meshseek.interfaces.ui.answers import Abilities, Health
from meshseek.interfaces.ui.bar import Bar, part_label
from meshseek.interfaces.ui.basket import Basket, Given
from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.files import Pictures
from meshseek.interfaces.ui.finding import Finder, Found, agreement
from meshseek.interfaces.ui.layout import Page
from meshseek.interfaces.ui.looking import Looking
from meshseek.interfaces.ui.pieces import notice, piece
from meshseek.interfaces.ui.shown import Shown
from meshseek.interfaces.ui.standing import standing
from meshseek.interfaces.ui.start import start
from meshseek.interfaces.ui.tiles_shown import Tiles
from meshseek.interfaces.ui.visitors import Rooms, Visitor
from meshseek.interfaces.ui.wording import Wording

Values = dict[Any, Any]
Changes = dict[Any, Any]
_UNABLE = Abilities()
NOTHING: Mapping[str, Any] = dict.fromkeys(("state", "found", "second", "looked"))
"""What is remembered of an answer, where none came of it."""


class Handlers:
    """The page's behaviour for one visitor.

    Args:
        page: The parts that handlers read and change.
        client: The API, asked on behalf of the visitor.
        pictures: Where models come from.
        wording: What speaks to the visitor.
    """

    def __init__(self, page: Page, client: ApiClient, pictures: Pictures, wording: Wording) -> None:
        self._page = page
        self._client = client
        self._pictures = pictures
        self._wording = wording

    def show(self, values: Values, visitor: Visitor, rooms: Rooms) -> Changes:
        """Show what the address says, as far as it is not shown yet; say what is the matter where that cannot be."""
        page, given = self._page, Given.read(values[self._page.asking.basket])
        before: Shown = values[page.asking.shown]
        if given.anew:
            before = replace(before, **NOTHING)
        state = State.read(values[page.asking.address])
        account = {page.account: piece("account", self._wording, name=visitor.name) if visitor.key else ""}
        uploads = {part.value: rooms.upload(visitor, part.value) for part in state.parts if part.kind == "picture"}
        try:
            known = self._known(before)
        except MeshseekError:
            return {**account, **self._away(Health(), before)}
        if known.health is None or not known.health.ready:
            return {**account, **self._away(known.health or Health(), before)}
        bar = Bar(page, self._wording, before, known, uploads).changes(state, values[page.questions.words] or "")
        again = {page.asking.retry: self._again(known)}
        is_shown = (state, given) == (before.state, before.given) and state.place != "status"
        known = replace(known, said=state.words, given=given)
        if is_shown and not (known.looked and known.looked.trouble):
            return {**again, page.asking.shown: known, **(bar if known.health != before.health else {})}
        return {**account, **self._told(state), **again, **bar, **self._place(state, known, uploads)}

    def _place(self, state: State, known: Shown, uploads: dict[str, Path | None]) -> Changes:
        """The results, or one of the other places."""
        page = self._page
        try:
            if state.place == "basket":
                content = Basket(self._client, self._wording, known.otherwise).shown(state, known.given)
            elif state.place == "status":
                content = standing(self._client, self._wording, known)
            else:
                return self._results(state, known, uploads)
        except MeshseekError as error:
            return self._failed(error, known)
        answers = page.answers
        emptied = dict.fromkeys((answers.facets, answers.chips, answers.summary), "")
        changes = {**emptied, answers.results: content}
        return changes | self._looked(state, replace(known, state=state, found=None, second=None), known, None)

    def _results(self, state: State, known: Shown, uploads: dict[str, Path | None]) -> Changes:
        before = known.state
        is_same = before is not None and before.wanted == state.wanted and known.found is not None
        is_as_long = is_same and before is not None and before.pages == state.pages
        finder = Finder(self._client, known.abilities or _UNABLE, uploads.get, known.otherwise)
        found, second, trouble = known.found, known.second, ""
        if found is None or not is_as_long:
            earlier = found if is_same and before is not None and state.pages >= before.pages else None
            found, second = finder.find(state, earlier), None
            self._prepare(found, earlier)
        if second is None and state.parts and state.against not in {"", state.algorithm or known.otherwise}:
            second, trouble = self._second(state, finder)
        shown = replace(known, state=state, found=found, second=None if trouble else second)
        changes = self._looked(state, shown, known, finder)
        is_looked_at = before is not None and before.asset != state.asset
        if found is not known.found or shown.second is not known.second or trouble or is_looked_at:
            changes |= self._found(state, found, self._sides(state, found, second, trouble) if second else [])
        return changes

    def _prepare(self, found: Found, earlier: Found | None) -> None:
        """Make the pictures of new results while the browser is still being told of them."""
        new = found.results[len(earlier.results) if earlier else 0 :]
        self._pictures.prepare(each.thumbnail_url for each in new[:USUAL])

    def _found(self, state: State, found: Found, sides: list[dict[str, Any]]) -> Changes:
        answers, wording = self._page.answers, self._wording
        given: dict[str, Any] = {"title": self._title(state), "tiles": [], "sides": sides, "more": "", "deepest": 0}
        given["empty"] = [] if found.results or not found.can_browse else _hints(state, wording)
        if not sides:
            given["tiles"] = Tiles(state, wording).all(found.results)
            given["more"] = state.link(pages=state.pages + 1) if found.more else ""
            given["deepest"] = len(found.results) if not found.more and state.pages > 1 else 0
        above = "" if state.parts or state.filters else start(state, wording, found)
        summary = summing_up.summary(state, wording, found) if found.can_browse else ""
        return {
            answers.facets: summing_up.facets(state, wording, found) if found.can_browse else "",
            answers.chips: summing_up.chips(state, wording),
            answers.summary: above + summary,
            answers.results: piece("results", wording, **given),
        }

    def _second(self, state: State, finder: Finder) -> tuple[Found, str]:
        """What the other algorithm finds, and why it does not."""
        try:
            return finder.find(replace(state, algorithm=state.against, against="")), ""
        except MeshseekError as error:
            return Found(), self._wording.failure(error)

    def _sides(self, state: State, found: Found, second: Found, trouble: str) -> list[dict[str, Any]]:
        """The results of two algorithms, with what they agree on."""
        wording, sides = self._wording, []
        pairs = ((found, second, ""), (second, found, trouble))
        for mine, others, wrong in pairs:
            agreed = agreement(mine.results, others.results)
            answer = mine.answer
            name = answer.algorithm if answer else state.against
            sides.append(
                {
                    "name": name if isinstance(name, str) else " + ".join(name),
                    "about": wording("compare.agreed", number=len(agreed), all=len(mine.results)),
                    "trouble": wrong,
                    "tiles": Tiles(state, wording).all(mine.results, agreed),
                }
            )
        return sides

    def _looked(self, state: State, shown: Shown, before: Shown, finder: Finder | None) -> Changes:
        """What is to be remembered of all this, and the asset that is looked at."""
        looking = Looking(self._page, self._client, self._pictures, self._wording)
        looked, changes = looking.changes(state, shown, before.state, finder)
        return {self._page.asking.shown: replace(shown, looked=looked), **changes}

    def _known(self, before: Shown) -> Shown:
        """What the API can do; asked again where it was not ready."""
        if before.health is not None and before.health.ready and not before.health.loading:
            return before
        health = self._client.health()
        if not health.ready:
            return replace(before, health=health)
        return replace(before, health=health, abilities=before.abilities or self._client.abilities())

    @staticmethod
    def _again(known: Shown) -> gr.Timer:
        """Algorithms that are loading appear in the menu by themselves."""
        return gr.Timer(active=known.health is not None and known.health.loading)

    def _away(self, health: Health, before: Shown) -> Changes:
        """Nothing can be answered yet: what was shown stays, and the page goes on by itself."""
        wording = self._wording
        if health.loading or not health.algorithms:
            text = notice(wording, wording("starting"), "waiting")
        else:
            troubles = [f"{name}: {state}" for name, state in health.algorithms.items()]
            text = notice(wording, wording("trouble", what="; ".join(troubles)))
        asking = self._page.asking
        gone = replace(before, health=None, **NOTHING)
        return {self._page.notice: text, asking.retry: gr.Timer(active=True), asking.shown: gone}

    def _failed(self, error: MeshseekError, known: Shown) -> Changes:
        page, answers = self._page, self._page.answers
        is_waiting = isinstance(error, ServiceError)
        text = notice(self._wording, self._wording.failure(error), "waiting" if is_waiting else "problem")
        emptied = dict.fromkeys((answers.facets, answers.chips, answers.results, answers.details), "")
        forgotten = replace(known, health=None if is_waiting else known.health, **NOTHING)
        again = {page.asking.retry: gr.Timer(active=is_waiting)}
        return {**emptied, answers.summary: text, page.asking.shown: forgotten, **again}

    def _told(self, state: State) -> Changes:
        """What of the address was left out."""
        told = [notice(self._wording, self._wording(key, what=what[:80]), "far") for key, what in state.troubles]
        return {self._page.notice: "".join(told)}

    def _title(self, state: State) -> str:
        title = ""
        for part in state.parts:
            between = " − " if part.weight < 0 else " + " if title else ""
            title += between + part_label(part, self._wording)
        return title.strip()


def _hints(state: State, wording: Wording) -> list[dict[str, str]]:
    """What helps where nothing was found."""
    hints = []
    if state.filters:
        hints.append({"text": wording("empty.filters"), "link": state.link(filters={})})
    if state.target == "words":
        hints.append({"text": wording("empty.target"), "link": state.link(target="")})
    if state.parts:
        hints.append({"text": wording("empty.words"), "link": ""})
    return [*hints, {"text": wording("empty.browse"), "link": "?"}]
