"""Why a result was found, as a piece of HTML. Everything that comes from a library or a user is escaped here."""

from __future__ import annotations

from html import escape

from meshseek.interfaces.ui.answers import Explanation, TextShare

PART_NAMES = {"caption": "Captions", "appearance": "Appearance", "words": "Exact words"}
PART_NAMES |= {"caption_instead": "In place of captions", "appearance_instead": "In place of views"}
"""What a query is compared with, by the API's name for it."""
STANDARD, WEIGHT = "_standard", "_weight"
"""Endings of the names of figures that say more of a part."""
MOST_TEXTS = 5
LONGEST_TEXT = 80
SMALL = 0.1
"""Figures below have a third digit."""
NAMED = "<p>Its name or its id is what you searched for.</p>"
LEGEND = """<p>Likeness is 1 at most. Chance is what the same search gives for assets taken at random. The score adds up
the deviations, as far as each part counts.</p>"""


def why(explanation: Explanation | None, score: float, silence: str | None = None) -> str:
    """The score and what it rests on, folded up.

    Args:
        explanation: What the API says of it.
        score: Of the result.
        silence: Why there is no explanation, as a sentence.
    """
    parts = explanation.parts if explanation else {}
    rows = [(_label(name), _figures(name, parts)) for name in parts if not _says_more(name, parts)]
    if explanation and explanation.texts:
        rows.append(("Caption texts", _texts(explanation.texts)))
    rows.append(("Score", figure(score)))
    facts = "".join(f"<dt>{escape(label)}</dt><dd>{value}</dd>" for label, value in rows)
    legend = LEGEND if any(name + STANDARD in parts for name in parts) else ""
    above = f"<p>{escape(silence)}</p>" if silence else "" if parts or explanation is None else NAMED
    return f'<details class="why"><summary>Why</summary>{above}<dl>{facts}</dl>{legend}</details>'


def figure(value: float) -> str:
    """A number with as many digits as say something."""
    return f"{value:.{2 if abs(value) >= SMALL else 3}f}".replace("-", "−")


def _says_more(name: str, parts: dict[str, float]) -> bool:
    """Whether a figure is told beside another one."""
    return any(name.removesuffix(ending) in parts for ending in (STANDARD, WEIGHT) if name.endswith(ending))


def _label(name: str) -> str:
    return PART_NAMES.get(name) or name.replace("_", " ").capitalize()


def _figures(name: str, parts: dict[str, float]) -> str:
    said = [f"holds all words of the query, {figure(parts[name])}" if name == "words" else figure(parts[name])]
    standard, weight = parts.get(name + STANDARD), parts.get(name + WEIGHT, 1.0)
    if standard is not None:
        said.append(f"{abs(standard):.1f} deviations {'below' if standard < 0 else 'above'} chance")
    if weight != 1:
        said.append(f"counts for {weight:.0%}")
    return ", ".join(said)


def _texts(texts: tuple[TextShare, ...]) -> str:
    said = [f"{escape(_short(text.text))} <i>{figure(text.gave)}</i>" for text in texts[:MOST_TEXTS]]
    return "<br>".join(said)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1].rstrip()}…"
