"""What is on the page and where; :mod:`~meshseek.interfaces.ui.blocks` says what it does."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from gradio.i18n import I18nData

from meshseek.interfaces.ui.address import FEWEST, MOST, USUAL
from meshseek.interfaces.ui.shown import Shown
from meshseek.interfaces.ui.static import CLOSE, HEADER, PAST, PICTURE
from meshseek.interfaces.ui.wording import catalogue

RETRY_SECONDS = 2.0
AUTOMATIC = ""
"""Value of a menu that leaves the choice to the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """By which the browser asks; nobody sees them."""

    go: gr.Button
    """The browser clicks it whenever the page's address has changed."""
    address: gr.Textbox
    """The browser fills it in as it asks; likewise what follows."""
    basket: gr.Textbox
    retry: gr.Timer
    shown: gr.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How is searched."""

    algorithm: gr.Dropdown
    against: gr.Dropdown
    target: gr.Dropdown
    language: gr.Dropdown
    cross_modal: gr.Checkbox
    varied: gr.Checkbox
    copies: gr.Checkbox
    count: gr.Slider
    note: gr.HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is searched."""

    words: gr.Textbox
    search: gr.Button
    bar: gr.HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was found, and the one that was chosen."""

    facets: gr.HTML
    chips: gr.HTML
    summary: gr.HTML
    results: gr.HTML
    model: gr.Model3D
    details: gr.HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All parts of the page that events read or change."""

    account: gr.HTML
    notice: gr.HTML
    asking: Asking
    questions: Questions
    options: Options
    answers: Answers


def translations() -> gr.I18n:
    """The labels of Gradio's parts, which it translates in the browser."""
    english, chinese = ({key: each[name] for key, each in catalogue().items()} for name in ("en", "zh"))
    return gr.I18n(**{"en": english, "zh-CN": chinese})


def lay_out() -> Page:
    """Make the parts, from top to bottom; to be called inside of a ``gr.Blocks``."""
    with gr.Row(elem_id="head"):
        _html(HEADER, elem_id="brand")
        account = _html(elem_id="account")
    notice = _html(elem_id="notice")
    with gr.Column(elem_id="ask"):
        questions = _questions()
        options = _options()
    asking = Asking(
        go=gr.Button("→", visible="hidden", elem_id="go"),
        address=gr.Textbox(visible="hidden", elem_id="address", label="address", container=False),
        basket=gr.Textbox(visible="hidden", elem_id="basket", label="basket", container=False),
        retry=gr.Timer(RETRY_SECONDS, active=False),
        shown=gr.State(Shown()),
    )
    return Page(
        account=account,
        notice=notice,
        asking=asking,
        questions=questions,
        options=options,
        answers=_answers(),
    )


def _html(value: str = "", *, elem_id: str) -> gr.HTML:
    """A piece that is styled by our own style sheet alone, and does nothing by itself."""
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=None)


def _said(key: str) -> I18nData:
    return I18nData(key)


def _questions() -> Questions:
    with gr.Row(elem_id="words-row", equal_height=True):
        words = gr.Textbox(
            placeholder=_said("ask.words"),
            label=_said("ask.label"),
            show_label=False,
            container=False,
            lines=1,
            max_lines=1,
            autofocus=True,
            scale=8,
            min_width=160,
            elem_id="words",
        )
        _html(PICTURE, elem_id="add-picture")
        search = gr.Button(_said("ask.search"), variant="primary", scale=1, min_width=96, elem_id="search")
    bar = _html(elem_id="bar")
    return Questions(words=words, search=search, bar=bar)


def _options() -> Options:
    with gr.Row(elem_id="below"):
        _html(PAST, elem_id="past-row")
    with gr.Accordion(_said("options.title"), open=False, elem_id="options"):
        with gr.Row():
            target = gr.Dropdown(
                [("", AUTOMATIC)], value=AUTOMATIC, label=_said("options.target"), min_width=170, elem_id="target"
            )
            algorithm = gr.Dropdown([], label=_said("options.algorithm"), min_width=170, elem_id="algorithm")
            against = gr.Dropdown([], label=_said("options.against"), min_width=170, elem_id="against")
            language = gr.Dropdown([], label=_said("options.language"), min_width=150, elem_id="language")
            with gr.Column(min_width=140, elem_id="switches"):
                cross_modal = gr.Checkbox(label=_said("options.cross"), container=False, elem_id="cross")
                varied = gr.Checkbox(value=True, label=_said("options.varied"), container=False, elem_id="varied")
                copies = gr.Checkbox(label=_said("options.copies"), container=False, elem_id="copies")
            count = gr.Slider(
                FEWEST,
                MOST,
                value=USUAL,
                step=4,
                label=_said("options.count"),
                min_width=170,
                elem_id="count",
                interactive=True,  # though Gradio is told nothing of what is chosen
            )
        note = _html(elem_id="note")
    return Options(
        algorithm=algorithm,
        against=against,
        target=target,
        language=language,
        cross_modal=cross_modal,
        varied=varied,
        copies=copies,
        count=count,
        note=note,
    )


def _answers() -> Answers:
    with gr.Row(elem_id="answers"):
        facets = _html(elem_id="facets")
        with gr.Column(scale=7, min_width=280, elem_id="list"):
            summary = _html(elem_id="summary")
            chips = _html(elem_id="chips")
            results = _html(elem_id="results")
        with gr.Column(scale=4, min_width=320, elem_id="panel"):
            _html(CLOSE, elem_id="close")
            model = gr.Model3D(show_label=False, container=False, height=360, clear_color=(0, 0, 0, 0), elem_id="model")
            details = _html(elem_id="details")
    return Answers(facets=facets, chips=chips, summary=summary, results=results, model=model, details=details)
