"""What happens on the page. Each handler gets the values of its inputs and returns what changes, both by component."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from meshseek.errors import MeshseekError, ServiceError
from meshseek.interfaces.ui import cards
from meshseek.interfaces.ui.answers import Answer, Health, Result, Search
from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.explanation import why
from meshseek.interfaces.ui.files import Pictures
from meshseek.interfaces.ui.glb import camera_position
from meshseek.interfaces.ui.layout import AUTOMATIC, EVERYTHING, Page, Shown
from meshseek.interfaces.ui.visitors import Visitor

DEEPEST = 1000
"""The API's pages end here."""
NO_MODEL = "This asset has no model file, only its pictures."
UNEXPLAINED = "The search service does not tell what this score rests on."
STARTING = "The search service is starting; this page goes on by itself as soon as it answers."

Values = dict[Any, Any]
Changes = dict[Any, Any]


class Handlers:
    """The page's behaviour for one visitor.

    Args:
        page: The parts that handlers read and change.
        client: The API, asked on behalf of the visitor.
        pictures: Where tiles and models come from.
        visitor: Who asks.
    """

    def __init__(self, page: Page, client: ApiClient, pictures: Pictures, visitor: Visitor) -> None:
        self._visitor = visitor
        self._page = page
        self._client = client
        self._pictures = pictures

    def refresh(self, values: Values) -> Changes:
        """Ask whether the API answers: fill the menus if so, else say what is the matter and ask again soon."""
        page, shown = self._page, values[self._page.shown]
        account = {page.account: gr.HTML(cards.account(self._visitor.name), visible=self._visitor.key is not None)}
        try:
            health = self._client.health()
            if health.ready:
                menus = self._menus(health, values)
                found = self._search(values, shown.search) if shown.waiting else {}
                # Algorithms that are loading appear in the menu by themselves.
                again = gr.Timer(active=health.loading)
                return {**account, page.notice: gr.HTML(visible=False), **menus, **found, page.retry: again}
            notice = cards.waiting(STARTING) if health.loading or not health.algorithms else _troubles(health)
        except MeshseekError:
            notice = cards.waiting(STARTING)
        return {**account, page.notice: gr.HTML(notice, visible=True), page.retry: gr.Timer(active=True)}

    def choose_algorithm(self, values: Values) -> Changes:
        """Say what the algorithm is good at, and offer the categories of its library."""
        name = values[self._page.options.algorithm]
        try:
            return {**self._algorithm_menus(name, values), **self.search_again(values)}
        except MeshseekError as error:
            return self._failed(error)

    def choose_target(self, values: Values) -> Changes:
        """Search again with a target, which leaves nothing for the cross-modal switch to say."""
        options = self._page.options
        reset = {options.cross_modal: False} if values[options.target] else {}
        return {**self.search_again({**values, **reset}), **reset}

    def switch_cross_modal(self, values: Values) -> Changes:
        """Search again across kinds or not; a target would win over that, so it is reset."""
        options = self._page.options
        reset = {options.target: AUTOMATIC} if values[options.cross_modal] else {}
        return {**self.search_again({**values, **reset}), **reset}

    def search_words(self, values: Values) -> Changes:
        """Search by the words in the box."""
        return self._search(values, Search(text=values[self._page.questions.words] or ""))

    def search_picture(self, values: Values) -> Changes:
        """Search by the picture that was dropped; when it was removed, leave all as it is."""
        picture = values[self._page.questions.picture]
        if picture is None:
            return self._unchanged()
        return self._search(values, Search(picture=Path(picture)))

    def search_again(self, values: Values) -> Changes:
        """Repeat the last search with other options."""
        shown: Shown = values[self._page.shown]
        return self._search(values, shown.search) if shown.search else self._unchanged()

    def show_more(self, values: Values) -> Changes:
        """Add the next results."""
        page, shown = self._page, values[self._page.shown]
        if shown.search is None:
            return self._unchanged()
        try:
            answer = self._client.search(shown.search, offset=len(shown.results))
        except MeshseekError as error:
            return {page.answers.summary: cards.problem(str(error))}
        grown = replace(shown, results=shown.results + answer.results)
        changes = self._results(grown, more=self._is_more(answer, grown))
        return {**changes, page.answers.summary: cards.summary(answer, len(grown.results))}

    def show_similar(self, values: Values) -> Changes:
        """Find assets like the chosen one, which stays in view."""
        page, shown = self._page, values[self._page.shown]
        if shown.chosen is None:
            return self._unchanged()
        search = self._with_options(values, shown.search or Search())
        try:
            answer = self._client.similar(shown.chosen.asset_id, search)
        except MeshseekError as error:
            return {page.answers.summary: cards.problem(str(error))}
        like = cards.title(shown.chosen, chinese=shown.chinese)
        changes = self._results(replace(shown, results=answer.results, similar=True), more=False)
        return {**changes, page.answers.summary: cards.summary(answer, len(answer.results), like)}

    def choose(self, values: Values, event: gr.SelectData) -> Changes:
        """Show the asset that was clicked."""
        shown: Shown = values[self._page.shown]
        if not isinstance(event.index, int) or not 0 <= event.index < len(shown.results):
            return self._unchanged()
        result = shown.results[event.index]
        answers = self._page.answers
        return {
            self._page.shown: replace(shown, chosen=result),
            answers.placeholder: "",
            **self._asset(result, self._reasons(shown, event.index)),
        }

    def _reasons(self, shown: Shown, rank: int) -> str:
        """Why a result was found; asked only when somebody looks, because it may take the API a while."""
        result = shown.results[rank]
        if shown.search is None or shown.similar:
            return why(None, result.score)
        try:
            explanation = self._client.explanation(shown.search, rank, result.asset_id)
        except MeshseekError:  # an API that is older than explanations, or gone: the asset is shown all the same
            explanation = None
        return why(explanation, result.score, UNEXPLAINED if explanation is None else None)

    def _asset(self, result: Result, reasons: str) -> Changes:
        answers = self._page.answers
        try:
            model = self._pictures.model(result)
            camera = self._client.camera(result)
        except MeshseekError as error:
            return {answers.model: gr.Model3D(None), answers.details: cards.details(result, reasons, str(error))}
        if model is None:
            return {answers.model: gr.Model3D(None), answers.details: cards.details(result, reasons, NO_MODEL)}
        start = camera_position(camera, model.diagonal)
        return {
            answers.model: gr.Model3D(str(model.path), camera_position=start),
            answers.details: cards.details(result, reasons),
        }

    def _search(self, values: Values, question: Search) -> Changes:
        page = self._page
        search = self._with_options(values, question)
        try:
            answer = self._client.search(search)
        except MeshseekError as error:
            return self._failed(error, search)
        shown = Shown(search=search, results=answer.results, chinese=answer.query_type == "chinese")
        return {
            **self._results(shown, more=self._is_more(answer, shown)),
            page.answers.summary: cards.summary(answer, len(shown.results)),
            page.answers.placeholder: cards.NOTHING_CHOSEN,
            page.retry: gr.Timer(active=False),
        }

    def _results(self, shown: Shown, *, more: bool) -> Changes:
        answers = self._page.answers
        tiles = self._pictures.tiles(shown.results)
        captions = [cards.tile_caption(result, chinese=shown.chinese) for result in shown.results]
        gallery = [(str(tile), caption) for tile, caption in zip(tiles, captions, strict=True)]
        return {
            self._page.shown: shown,
            answers.body: gr.Row(visible=bool(gallery)),
            answers.gallery: gr.Gallery(gallery, selected_index=None),
            answers.more: gr.Button(visible=more),
        }

    def _with_options(self, values: Values, search: Search) -> Search:
        options = self._page.options
        return replace(
            search,
            algorithm=values[options.algorithm] or None,
            target=values[options.target] or None,
            cross_modal=bool(values[options.cross_modal]),
            varied=bool(values[options.varied]),
            category=values[options.category] or None,
            limit=int(values[options.limit]),
        )

    def _menus(self, health: Health, values: Values) -> Changes:
        options = self._page.options
        order = [*cards.ALGORITHM_NOTES, *health.ready]
        ready = sorted(health.ready, key=order.index)
        chosen = values[options.algorithm] if values[options.algorithm] in ready else ready[0]
        targets = [(cards.TARGET_NAMES.get(name, name), name) for name in self._client.targets()]
        return {
            **self._algorithm_menus(chosen, values),
            options.algorithm: gr.Dropdown(ready, value=chosen),
            options.target: gr.Dropdown([(cards.AUTOMATIC, AUTOMATIC), *targets]),
        }

    def _algorithm_menus(self, algorithm: str, values: Values) -> Changes:
        options = self._page.options
        try:
            facets = self._client.categories(algorithm)
        except MeshseekError:
            facets = []  # one can search without them
        chosen = values[options.category]
        menu = [("All", EVERYTHING), *((f"{facet.value} ({facet.count})", facet.value) for facet in facets)]
        value = chosen if chosen in {value for _, value in menu} else EVERYTHING
        return {
            options.note: cards.note(algorithm),
            options.category: gr.Dropdown(menu, value=value),
        }

    def _failed(self, error: MeshseekError, search: Search | None = None) -> Changes:
        page = self._page
        waiting = isinstance(error, ServiceError)
        return {
            page.shown: Shown(search=search, waiting=waiting and search is not None),
            page.retry: gr.Timer(active=waiting),
            page.answers.summary: cards.waiting(str(error)) if waiting else cards.problem(str(error)),
            page.answers.body: gr.Row(visible=False),
        }

    def _unchanged(self) -> Changes:
        return {self._page.answers.summary: gr.skip()}

    @staticmethod
    def _is_more(answer: Answer, shown: Shown) -> bool:
        limit = shown.search.limit if shown.search else 0
        return len(answer.results) == limit and len(shown.results) + limit <= DEEPEST


def _troubles(health: Health) -> str:
    return "".join(cards.problem(f"{name}: {state}") for name, state in health.algorithms.items())
