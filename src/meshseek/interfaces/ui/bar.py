"""The search bar and the options below it, as the address says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from meshseek.interfaces.ui.address import LANGUAGES, TARGETS, Part, State
from meshseek.interfaces.ui.layout import AUTOMATIC, Page
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.shown import Shown
from meshseek.interfaces.ui.wording import Wording

ORDER = ("lite", "siglip", "qwen")
"""Algorithms that are known here, as menus show them."""


class Bar:
    """Brings the search bar to what a state says.

    Args:
        page: The parts of the page.
        wording: What is written on it.
        shown: What is known of the API.
        uploads: Files of uploaded pictures by their names.
    """

    def __init__(self, page: Page, wording: Wording, shown: Shown, uploads: Mapping[str, Path | None]) -> None:
        self._page = page
        self._wording = wording
        self._shown = shown
        self._uploads = uploads

    def changes(self, state: State) -> dict[Any, Any]:
        """What changes on the page; menus that are as they were are left alone."""
        questions = self._page.questions
        before = self._shown.state
        chips = [self._chip(state, index, part) for index, part in enumerate(state.parts)]
        bar: dict[Any, Any] = {questions.bar: piece("bar", self._wording, parts=chips)}
        if before is None or before.words != state.words:
            bar |= {questions.words: state.words}
        if before is not None and _options(before) == _options(state) and not self._is_loading():
            return bar
        return {**bar, **self._menus(state)}

    def _is_loading(self) -> bool:
        return self._shown.health is not None and self._shown.health.loading

    def _menus(self, state: State) -> dict[Any, Any]:
        options, wording = self._page.options, self._wording
        ready = self._shown.health.ready if self._shown.health else []
        names = sorted(ready, key=[*ORDER, *ready].index)
        algorithm = state.algorithm or next(iter(names), "")
        others = [name for name in names if name != algorithm]
        targets = self._shown.abilities.targets if self._shown.abilities else TARGETS
        order = sorted(targets, key=[*TARGETS, *targets].index)
        automatic = (wording("automatic"), AUTOMATIC)
        known = [*names, *({algorithm} - {*names, ""})]
        return {
            options.algorithm: gr.Dropdown(known, value=algorithm),
            options.against: gr.Dropdown(
                [(wording("compare.none"), AUTOMATIC), *((name, name) for name in others)],
                value=state.against if state.against in others else AUTOMATIC,
                visible=bool(others),
            ),
            options.target: gr.Dropdown(
                [automatic, *((wording.known(f"target.{name}", name), name) for name in order)], value=state.target
            ),
            options.language: gr.Dropdown(
                [automatic, *((wording(f"language.{name}"), name) for name in LANGUAGES)], value=state.language
            ),
            options.cross_modal: state.cross_modal,
            options.varied: not state.plain,
            options.count: state.count,
            options.note: piece("note", wording, name=algorithm, about=wording.known(f"algorithm.{algorithm}")),
        }

    def _chip(self, state: State, index: int, part: Part) -> dict[str, Any]:
        file = self._uploads.get(part.value) if part.kind == "picture" else None
        said = {"q": part.value, "like": self._wording("part.like", what=part.value.rpartition("/")[2])}
        rest = state.parts[:index] + state.parts[index + 1 :]
        if len(rest) == 1:
            rest = (replace(rest[0], weight=1.0),)
        return {
            "kind": part.kind,
            "label": said.get(part.kind, self._wording("part.picture")),
            "picture": f"/gradio_api/file={file}" if file else "",
            "weight": part.weight,
            "figure": f"{part.weight:g}".replace("-", "−"),
            "without": state.link(parts=rest),
        }


def _options(state: State) -> tuple[Any, ...]:
    chosen = (state.algorithm, state.against, state.target, state.language)
    return (*chosen, state.cross_modal, state.plain, state.count)
