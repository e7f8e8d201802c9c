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


def part_label(part: Part, wording: Wording) -> str:
    """What a part of a query is called."""
    if part.kind == "picture":
        return wording("part.picture")
    return part.value if part.kind == "q" else wording("part.like", what=part.value.rpartition("/")[2])


class Bar:
    """Brings the search bar to what a state says.

    Args:
        page: The parts of the page.
        wording: What is written on it.
        before: What was shown last.
        known: The same, with what is known of the API now.
        uploads: Files of uploaded pictures by their names.
    """

    def __init__(
        self, page: Page, wording: Wording, before: Shown, known: Shown, uploads: Mapping[str, Path | None]
    ) -> None:
        self._page = page
        self._wording = wording
        self._before = before
        self._known = known
        self._uploads = uploads

    def changes(self, state: State, typed: str) -> dict[Any, Any]:
        """What changes on the page; what is as it was is left alone, for somebody may be at it already.

        Args:
            state: What is to be shown.
            typed: What stood in the box when it was asked. The box is brought to what is searched once, where it does
                not hold that: whatever else stands in it later, somebody is typing.
        """
        questions = self._page.questions
        before = self._before.state
        chips = [self._chip(state, index, part) for index, part in enumerate(state.parts)]
        bar: dict[Any, Any] = {questions.bar: piece("bar", self._wording, parts=chips)}
        if state.words not in {typed.strip(), self._before.said}:
            bar |= {questions.words: state.words}
        is_new = before is None or self._before.health != self._known.health
        for part, (content, names) in self._menus(state).items():
            if is_new or any(getattr(before, name) != getattr(state, name) for name in names):
                bar[part] = content
        return bar

    def _menus(self, state: State) -> dict[Any, tuple[Any, tuple[str, ...]]]:
        """What each part shows, and by which fields of the state."""
        options, wording = self._page.options, self._wording
        ready = self._known.health.ready if self._known.health else []
        names = sorted(ready, key=[*ORDER, *ready].index)
        algorithm = state.algorithm or self._known.otherwise or next(iter(names), "")
        others = [name for name in names if name != algorithm]
        targets = self._known.abilities.targets if self._known.abilities else TARGETS
        order = sorted(targets, key=[*TARGETS, *targets].index)
        automatic = (wording("automatic"), AUTOMATIC)
        known = [*names, *({algorithm} - {*names, ""})]
        against = gr.Dropdown(
            [(wording("compare.none"), AUTOMATIC), *((name, name) for name in others)],
            value=state.against if state.against in others else AUTOMATIC,
            visible=bool(others),
        )
        target = gr.Dropdown(
            [automatic, *((wording.known(f"target.{name}", name), name) for name in order)], value=state.target
        )
        language = gr.Dropdown(
            [automatic, *((wording(f"language.{name}"), name) for name in LANGUAGES)], value=state.language
        )
        note = piece("note", wording, name=algorithm, about=wording.known(f"algorithm.{algorithm}"))
        return {
            options.algorithm: (gr.Dropdown(known, value=algorithm), ("algorithm",)),
            options.against: (against, ("algorithm", "against")),
            options.target: (target, ("target",)),
            options.language: (language, ("language",)),
            options.cross_modal: (state.cross_modal, ("cross_modal",)),
            options.varied: (not state.plain, ("plain",)),
            options.copies: (state.copies, ("copies",)),
            options.count: (state.count, ("count",)),
            options.note: (note, ("algorithm",)),
        }

    def _chip(self, state: State, index: int, part: Part) -> dict[str, Any]:
        file = self._uploads.get(part.value) if part.kind == "picture" else None
        rest = state.parts[:index] + state.parts[index + 1 :]
        if len(rest) == 1:
            rest = (replace(rest[0], weight=1.0),)
        return {
            "kind": part.kind,
            "label": part_label(part, self._wording),
            "picture": f"/gradio_api/file={file}" if file else "",
            "weight": part.weight,
            "figure": f"{part.weight:g}".replace("-", "−"),
            "without": state.link(parts=rest),
        }
