"""The page: its parts, and which event calls which handler."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.files import FileCache, Pictures
from meshseek.interfaces.ui.handlers import Handlers
from meshseek.interfaces.ui.layout import Page, lay_out

CLEAN_SECONDS = (600, 3600)
"""How often uploads are looked through, and how old they get."""
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


def build(api_url: str, folder: Path) -> gr.Blocks:
    """Make the page.

    Args:
        api_url: Where the API is.
        folder: A private folder for what the page shows.
    """
    client = ApiClient(api_url)
    gr.set_static_paths([folder])
    blocks: gr.Blocks
    with gr.Blocks(title="Meshseek", analytics_enabled=False, delete_cache=CLEAN_SECONDS) as blocks:
        page = lay_out()
        page.questions.picture.preprocess = _picture_path  # type: ignore[method-assign]
        _Wiring(blocks, page, Handlers(page, client, Pictures(client, FileCache(folder)))).connect()
    # Gradio checks the paths that visitors name only in an app that it launched itself, and this one is mounted.
    blocks.has_launched = True
    return blocks


def _picture_path(payload: Any) -> str | None:
    """Leave reading the picture to the API, which says what is wrong with it; Gradio's own way fails without words."""
    return None if payload is None else payload.path


class _Wiring:
    def __init__(self, blocks: gr.Blocks, page: Page, handlers: Handlers) -> None:
        self._blocks = blocks
        self._page = page
        self._handlers = handlers
        options, answers, questions = page.options, page.answers, page.questions
        self._asked: set[Block] = {
            *(page.shown, questions.words, questions.picture),
            *(options.algorithm, options.target, options.cross_modal, options.varied, options.category, options.limit),
        }
        self._answered = [
            *(page.notice, page.retry, page.shown),
            *(options.algorithm, options.target, options.cross_modal, options.category, options.note),
            *(answers.summary, answers.body, answers.gallery, answers.more, answers.placeholder),
        ]

    def connect(self) -> None:
        """Tie each event to its handler."""
        handlers, questions = self._handlers, self._page.questions
        options, answers = self._page.options, self._page.answers
        for start in (self._blocks.load, self._page.retry.tick):
            start(handlers.refresh, self._asked, self._answered, **QUIET)
        for event in (questions.search.click, questions.words.submit):
            self._searching(event, handlers.search_words)
        for example in questions.examples:
            filled = example.click(partial(str, example.value), None, questions.words, **QUIET)
            self._searching(filled.then, handlers.search_words)
        self._searching(questions.picture.change, handlers.search_picture)
        self._searching(options.target.input, handlers.choose_target)
        self._searching(options.cross_modal.input, handlers.switch_cross_modal)
        for event in (options.varied.input, options.category.input, options.limit.release):
            self._searching(event, handlers.search_again)
        self._searching(options.algorithm.input, handlers.choose_algorithm)
        self._searching(answers.more.click, handlers.show_more)
        self._searching(answers.similar.click, handlers.show_similar)
        self._choosing()

    def _choosing(self) -> None:
        shown, answers = self._page.shown, self._page.answers
        changed = [shown, answers.summary, answers.placeholder, answers.model, answers.details]
        chosen = answers.gallery.select(self._handlers.choose, {shown}, changed, **QUIET)
        chosen.then(None, js=SHOW_CHOSEN, **QUIET)
        answers.gallery.change(None, js=NAME_TILES, **QUIET)

    def _searching(self, event: Callable[..., Any], handler: Callable[..., Any]) -> None:
        event(
            handler,
            self._asked,
            self._answered,
            show_progress="minimal",
            show_progress_on=self._page.answers.summary,
            **EVENT,
        )
