"""Why a result was found, as a piece of HTML."""

from __future__ import annotations

from markupsafe import Markup

from meshseek.interfaces.ui.answers import Explanation, TextShare
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.wording import Wording

STANDARD, WEIGHT = "_standard", "_weight"
"""Endings of the names of figures that say more of a part."""
MOST_TEXTS = 5
LONGEST_TEXT = 80
SMALL = 0.1
"""Figures below have a third digit."""


def why(wording: Wording, explanation: Explanation | None, score: float, *, silent: bool = False) -> Markup:
    """The score and what it rests on, folded up.

    Args:
        wording: What is written in it.
        explanation: What the API says of it.
        score: Of the result.
        silent: Whether the API does not tell, though it was asked.
    """
    parts = explanation.parts if explanation else {}
    rows = [(_label(name, wording), _figures(name, parts, wording)) for name in parts if not _says_more(name, parts)]
    named = explanation is not None and not parts
    above = wording("why.silent") if silent else wording("why.named") if named else ""
    legend = any(name + STANDARD in parts for name in parts)
    texts = _texts(explanation.texts) if explanation else []
    return piece("why", wording, rows=rows, texts=texts, above=above, legend=legend, score=figure(score))


def figure(value: float) -> str:
    """A number with as many digits as say something."""
    return f"{value:.{2 if abs(value) >= SMALL else 3}f}".replace("-", "−")


def _says_more(name: str, parts: dict[str, float]) -> bool:
    """Whether a figure is told beside another one."""
    return any(name.removesuffix(ending) in parts for ending in (STANDARD, WEIGHT) if name.endswith(ending))


def _label(name: str, wording: Wording) -> str:
    return wording.known(f"part.{name}", name.replace("_", " ").capitalize())


def _figures(name: str, parts: dict[str, float], wording: Wording) -> str:
    value = figure(parts[name])
    said = [wording("why.holds", figure=value) if name == "words" else value]
    standard, weight = parts.get(name + STANDARD), parts.get(name + WEIGHT, 1.0)
    if standard is not None:
        said.append(wording("why.below" if standard < 0 else "why.above", figure=f"{abs(standard):.1f}"))
    if weight != 1:
        said.append(wording("why.counts", share=f"{weight:.0%}"))
    return wording("comma").join(said)


def _texts(texts: tuple[TextShare, ...]) -> list[dict[str, str]]:
    return [{"text": _short(text.text), "gave": figure(text.gave)} for text in texts[:MOST_TEXTS]]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1].rstrip()}…"
