"""The page: its parts, and which event asks the server."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import Block

from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.files import FileCache, Pictures
from meshseek.interfaces.ui.handlers import Changes, Handlers, Values
from meshseek.interfaces.ui.layout import Page, lay_out
from meshseek.interfaces.ui.tiles_shown import DENSE
from meshseek.interfaces.ui.visitors import Rooms, Visitor
from meshseek.interfaces.ui.wording import COOKIE, Wording, preferred

MOST_SESSIONS = 500
"""Of so many open pages is remembered what they show; the one that was used least recently is forgotten first."""
EVENT: dict[str, Any] = {
    "queue": False,
    "api_visibility": "private",
    "trigger_mode": "always_last",
    "show_progress": "hidden",
}
"""Common to all events. Each is one plain request: with Gradio's queue, one in ten answers was lost where two events
overlapped, because its browser part closes the stream of the first while the second joins it. How many handlers run at
once is bounded by the server's threads (40), and how long, by the client's timeout."""
GIVEN = "(words, address, basket, ...given) => [words, ...meshseek.given(), ...given]"
"""Gradio gives parts in the order in which they were made."""
ARRIVED = "() => meshseek.arrived()"


def build(client: ApiClient, cache: FileCache, rooms: Rooms) -> gr.Blocks:
    """Make the page.

    Args:
        client: The API.
        cache: Files that the page shows.
        rooms: Where visitors' files are.
    """
    gr.set_static_paths([rooms.shown])
    blocks: gr.Blocks
    with gr.Blocks(title="Meshseek", analytics_enabled=False) as blocks:
        page = lay_out()
        _connect(blocks, page, client, cache, rooms)
    # Gradio checks the paths that visitors name only in an app that it launched itself, and this one is mounted.
    blocks.has_launched = True
    blocks.state_session_capacity = MOST_SESSIONS
    return blocks


def wording_of(request: Any) -> Wording:
    """What speaks to whoever sent a request."""
    return Wording(preferred(request.cookies.get(COOKIE), request.headers.get("accept-language")))


def client_of(client: ApiClient, visitor: Visitor) -> ApiClient:
    """The API, asked with the key of whoever is asking, and of nobody else."""
    return client if visitor.key is None else client.on_behalf_of(visitor.key, visitor.refuse)


def _connect(blocks: gr.Blocks, page: Page, client: ApiClient, cache: FileCache, rooms: Rooms) -> None:
    """Tie events to what answers them: the server shows the page's address, and all else leads to another address."""
    asking, questions, options = page.asking, page.questions, page.options

    def answer(values: Values, request: gr.Request) -> Changes:
        visitor: Visitor = request.state.visitor
        own = client_of(client, visitor)
        pictures = Pictures(own, cache, visitor.room, dense=DENSE in request.cookies)
        handlers = Handlers(page, own, pictures, wording_of(request))
        return handlers.show(values, visitor, rooms)

    asked: set[Block] = {questions.words, asking.address, asking.basket, asking.shown}
    for start in (blocks.load, asking.retry.tick, asking.go.click):
        shown = start(answer, asked, _answered(page), js=GIVEN, **EVENT)
        shown.then(None, js=ARRIVED, **EVENT)
    for part in (options.algorithm, options.against, options.target, options.language):
        part.input(None, part, js=f"(value) => meshseek.set('{part.elem_id}', value)", **EVENT)
    options.cross_modal.input(None, options.cross_modal, js="(value) => meshseek.set('cross', value)", **EVENT)
    options.copies.input(None, options.copies, js="(value) => meshseek.set('copies', value)", **EVENT)
    options.varied.input(None, options.varied, js="(value) => meshseek.set('plain', !value)", **EVENT)


def _answered(page: Page) -> list[Any]:
    asking, questions, options, answers = page.asking, page.questions, page.options, page.answers
    return [
        *(page.account, page.notice, asking.retry, asking.shown, questions.words, questions.bar),
        *(options.algorithm, options.against, options.target, options.language, options.cross_modal, options.varied),
        *(options.copies, options.count, options.note),
        *(answers.facets, answers.chips, answers.summary, answers.results, answers.model, answers.details),
    ]
