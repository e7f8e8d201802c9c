"""What is on the page and where; :mod:`~meshseek.interfaces.ui.blocks` says what it does."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from meshseek.interfaces.ui import cards
from meshseek.interfaces.ui.answers import Result, Search

EXAMPLES = ("wooden chair", "table lamp", "something to sleep on", "沙发", "厨房电器", "盆栽植物")
FEWEST, USUAL, MOST = 4, 12, 60
RETRY_SECONDS = 2.0
AUTOMATIC = ""
"""Value of the target menu that leaves the choice to the API."""
EVERYTHING = ""
"""Value of the category menu that filters nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one visitor sees; the only thing that is remembered between two events."""

    search: Search | None = None
    """The last search; it is asked again when an option changes, and for more."""
    results: tuple[Result, ...] = ()
    chosen: Result | None = None
    chinese: bool = False
    """Whether Chinese captions come first."""
    waiting: bool = False
    """Whether the search could not be answered yet, and is asked again when the API is back."""
    similar: bool = False
    """Whether the results are those that are like one asset, and not those of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How is searched."""

    algorithm: gr.Dropdown
    target: gr.Dropdown
    cross_modal: gr.Checkbox
    varied: gr.Checkbox
    category: gr.Dropdown
    limit: gr.Slider
    note: gr.HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is searched."""

    words: gr.Textbox
    search: gr.Button
    examples: tuple[gr.Button, ...]
    picture: gr.Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was found, and the one that was chosen."""

    summary: gr.HTML
    body: gr.Row
    gallery: gr.Gallery
    more: gr.Button
    placeholder: gr.HTML
    model: gr.Model3D
    details: gr.HTML
    similar: gr.Button


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All parts of the page that events read or change."""

    account: gr.HTML
    notice: gr.HTML
    retry: gr.Timer
    shown: gr.State
    questions: Questions
    options: Options
    answers: Answers


def lay_out() -> Page:
    """Make the parts, from top to bottom; to be called inside of a ``gr.Blocks``."""
    with gr.Row(elem_id="head"):
        gr.HTML(cards.HEADER)
        account = gr.HTML(visible=False, elem_id="account")
    notice = gr.HTML(visible=False, elem_id="notice")
    with gr.Column(elem_id="ask"):
        questions = _questions()
        options = _options()
    return Page(
        account=account,
        notice=notice,
        retry=gr.Timer(RETRY_SECONDS, active=False),
        shown=gr.State(Shown()),
        questions=questions,
        options=options,
        answers=_answers(),
    )


def _questions() -> Questions:
    with gr.Tabs():
        with gr.Tab("By words"):
            with gr.Row(elem_id="words-row", equal_height=True):
                words = gr.Textbox(
                    placeholder="Describe what you are looking for…",
                    label="Words",
                    show_label=False,
                    container=False,
                    lines=1,
                    max_lines=1,
                    autofocus=True,
                    scale=8,
                    min_width=200,
                    elem_id="words",
                )
                search = gr.Button("Search", variant="primary", scale=1, min_width=110, elem_id="search")
            with gr.Row(elem_id="examples"):
                examples = tuple(gr.Button(text, size="sm", scale=0, min_width=40) for text in EXAMPLES)
        with gr.Tab("By picture"):
            picture = gr.Image(
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard"],
                label="Picture",
                show_label=False,
                container=False,
                height=220,
                buttons=[],
                placeholder="Drop a picture here\nor click to choose one",
                elem_id="picture",
            )
    return Questions(words=words, search=search, examples=examples, picture=picture)


def _options() -> Options:
    with gr.Accordion("Options", open=False, elem_id="options"):
        with gr.Row():
            category = gr.Dropdown([("All", EVERYTHING)], value=EVERYTHING, label="Category", min_width=180)
            target = gr.Dropdown([(cards.AUTOMATIC, AUTOMATIC)], value=AUTOMATIC, label="Compare with", min_width=180)
            with gr.Column(min_width=140, elem_id="switches"):
                cross_modal = gr.Checkbox(label="Cross-modal", container=False)
                varied = gr.Checkbox(value=True, label="Varied results", container=False)
            algorithm = gr.Dropdown([], label="Algorithm", min_width=180, elem_id="algorithm")
            limit = gr.Slider(FEWEST, MOST, value=USUAL, step=4, label="Results", min_width=180)
        note = gr.HTML(elem_id="note")
    return Options(
        algorithm=algorithm,
        target=target,
        cross_modal=cross_modal,
        varied=varied,
        category=category,
        limit=limit,
        note=note,
    )


def _answers() -> Answers:
    summary = gr.HTML(elem_id="summary")
    with gr.Row(visible=False, elem_id="answers") as body:
        with gr.Column(scale=7, min_width=320):
            gallery = gr.Gallery(
                label="Results",
                show_label=False,
                container=False,
                columns=4,
                height="auto",
                object_fit="cover",
                allow_preview=False,
                interactive=False,
                buttons=[],
                elem_id="gallery",
            )
            more = gr.Button("Show more", visible=False, elem_id="more")
        with gr.Column(scale=4, min_width=320, elem_id="chosen"):
            placeholder = gr.HTML(cards.NOTHING_CHOSEN)
            model = gr.Model3D(show_label=False, container=False, height=380, clear_color=(0, 0, 0, 0), elem_id="model")
            details = gr.HTML(elem_id="details")
            similar = gr.Button("Find similar", elem_id="similar")
    return Answers(
        summary=summary,
        body=body,
        gallery=gallery,
        more=more,
        placeholder=placeholder,
        model=model,
        details=details,
        similar=similar,
    )
