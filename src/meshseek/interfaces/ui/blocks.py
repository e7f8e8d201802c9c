"""The page: its parts, and which event calls which handler."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any

import gradio as gr
from gradio.blocks import Block

from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.files import FileCache, Pictures
from meshseek.interfaces.ui.handlers import Changes, Handlers, Values
from meshseek.interfaces.ui.layout import FEWEST, MOST, USUAL, Page, lay_out
from meshseek.interfaces.ui.visitors import Rooms, Visitor

MOST_SESSIONS = 500
"""Of so many open pages is remembered what they show; the one that was used least recently is forgotten first."""
EVENT: dict[str, Any] = {"queue": False, "api_visibility": "private", "trigger_mode": "always_last"}
"""Common to all events. Each is one plain request: with Gradio's queue, one in ten answers was lost where two events
overlapped, because its browser part closes the stream of the first while the second joins it. How many handlers run at
once is bounded by the server's threads (40), and how long, by the client's timeout."""
QUIET: dict[str, Any] = {**EVENT, "show_progress": "hidden"}
SHOW_CHOSEN = """() => setTimeout(() => {
  const panel = document.getElementById('chosen');
  const top = panel?.getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) panel.scrollIntoView({behavior: 'smooth'});
}, 150)"""
"""On a narrow screen the chosen asset lies below the results."""
NAME_TILES = """() => setTimeout(() => document.querySelectorAll('#gallery .thumbnail-item').forEach((tile) => {
  const caption = tile.querySelector('.caption-label')?.textContent;
  if (caption) tile.setAttribute('aria-label', caption.replace('\\n', ': '));
}), 150)"""
"""Gradio calls the results "Thumbnail 1 of 12", and a screen reader then says no more."""


def build(api_url: str, rooms: Rooms) -> gr.Blocks:
    """Make the page.

    Args:
        api_url: Where the API is.
        rooms: Where its files are.
    """
    gr.set_static_paths([rooms.shown])
    blocks: gr.Blocks
    with gr.Blocks(title="Meshseek", analytics_enabled=False) as blocks:
        page = lay_out()
        picture = page.questions.picture
        picture.preprocess = _picture_path  # type: ignore[method-assign]
        page.options.limit.preprocess = _count  # type: ignore[method-assign]
        gr.Dropdown.preprocess = _word  # type: ignore[method-assign, assignment]  # a menu that changes is another object
        picture.temp_files = _Forgetful()
        _Wiring(blocks, page, ApiClient(api_url), FileCache(rooms.shown)).connect()
    # Gradio checks the paths that visitors name only in an app that it launched itself, and this one is mounted.
    blocks.has_launched = True
    blocks.state_session_capacity = MOST_SESSIONS
    return blocks


class _Forgetful(set[str]):
    """Gradio would remember the path of every upload for ever."""

    def add(self, _: str) -> None:
        """Do not."""


def _picture_path(payload: Any) -> str | None:
    """Leave reading the picture to the API, which says what is wrong with it; Gradio's own way fails without words."""
    return None if payload is None else payload.path


def _word(_: gr.Dropdown, payload: Any) -> str | None:
    """Leave checking it to the API: Gradio refuses what the menu of a page that it has forgotten showed."""
    return payload if isinstance(payload, str) else None


def _count(payload: Any) -> int:
    """How many results are wanted."""
    return min(max(int(payload), FEWEST), MOST) if isinstance(payload, int | float) and isfinite(payload) else USUAL


class _Wiring:
    """Calls handlers for whoever is asking.

    Args:
        blocks: The page to Gradio.
        page: Its parts.
        client: The API.
        cache: Files that the page shows.
    """

    def __init__(self, blocks: gr.Blocks, page: Page, client: ApiClient, cache: FileCache) -> None:
        self._blocks = blocks
        self._page = page
        self._client = client
        self._cache = cache
        options, answers, questions = page.options, page.answers, page.questions
        self._asked: set[Block] = {
            *(page.shown, questions.words, questions.picture),
            *(options.algorithm, options.target, options.cross_modal, options.varied, options.category, options.limit),
        }
        self._answered = [
            *(page.account, page.notice, page.retry, page.shown),
            *(options.algorithm, options.target, options.cross_modal, options.category, options.note),
            *(answers.summary, answers.body, answers.gallery, answers.more, answers.placeholder),
        ]

    def connect(self) -> None:
        """Tie each event to its handler."""
        questions, options, answers = self._page.questions, self._page.options, self._page.answers
        for start in (self._blocks.load, self._page.retry.tick):
            start(self._for_visitor(Handlers.refresh), self._asked, self._answered, **QUIET)
        for event in (questions.search.click, questions.words.submit):
            self._searching(event, Handlers.search_words)
        for example in questions.examples:
            filled = example.click(partial(str, example.value), None, questions.words, **QUIET)
            self._searching(filled.then, Handlers.search_words)
        self._searching(questions.picture.change, Handlers.search_picture)
        self._searching(options.target.input, Handlers.choose_target)
        self._searching(options.cross_modal.input, Handlers.switch_cross_modal)
        for event in (options.varied.input, options.category.input, options.limit.release):
            self._searching(event, Handlers.search_again)
        self._searching(options.algorithm.input, Handlers.choose_algorithm)
        self._searching(answers.more.click, Handlers.show_more)
        self._searching(answers.similar.click, Handlers.show_similar)
        self._choosing()

    def _choosing(self) -> None:
        shown, answers = self._page.shown, self._page.answers
        changed = [shown, answers.summary, answers.placeholder, answers.model, answers.details]

        def choose(values: Values, request: gr.Request, event: gr.SelectData) -> Changes:
            return self._handlers(request).choose(values, event)

        chosen = answers.gallery.select(choose, {shown}, changed, **QUIET)
        chosen.then(None, js=SHOW_CHOSEN, **QUIET)
        answers.gallery.change(None, js=NAME_TILES, **QUIET)

    def _handlers(self, request: gr.Request) -> Handlers:
        """With the key and the files of whoever asks, and of nobody else."""
        visitor: Visitor = request.state.visitor
        client = self._client
        if visitor.key is not None:
            client = client.on_behalf_of(visitor.key, visitor.refuse)
        return Handlers(self._page, client, Pictures(client, self._cache, visitor.room), visitor)

    def _for_visitor(self, handler: Callable[[Handlers, Values], Changes]) -> Callable[..., Changes]:
        def handle(values: Values, request: gr.Request) -> Changes:
            return handler(self._handlers(request), values)

        return handle

    def _searching(self, event: Callable[..., Any], handler: Callable[[Handlers, Values], Changes]) -> None:
        event(
            self._for_visitor(handler),
            self._asked,
            self._answered,
            show_progress="minimal",
            show_progress_on=self._page.answers.summary,
            **EVENT,
        )
