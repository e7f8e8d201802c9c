"""Plots of an evaluation as SVG that stands in a page. Matplotlib is imported when a report is made, and only then."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshseek.evaluation.statistics import Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"english": "#1f5fae", "chinese": "#c2452d", "image": "#3f7d4e"}
_INK, _PALE = "#2b2f36", "#e3e6eb"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # words stay words, in the reader's own fonts
    "svg.hashsalt": "meshseek",  # the same evaluation gives the same page
    "text.parse_math": False,  # a kind may hold a dollar sign
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": _PALE,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}
_WIDTH_INCHES = 9.2
_LINES = ("-", "--", ":", "-.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a plot of dots."""

    label: str
    query_type: str
    values: dict[str, Measured]
    """By panel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Shares by rank."""

    label: str
    query_type: str
    shares: Sequence[float]
    """Of the queries that have something relevant within the first one, two, ... results."""
    line: int = 0
    """Which style of line."""


def dots(rows: Sequence[Row], panels: dict[str, str], *, differences: bool = False) -> str:
    """Values as dots with their intervals: one panel for each measure, side by side.

    Args:
        rows: From top to bottom; those of one label share it.
        panels: Titles by measure.
        differences: Whether zero is marked, and the panels have one scale; otherwise each goes from 0 to 1.
    """
    with _figure(_WIDTH_INCHES, 0.75 + 0.27 * len(rows)) as (figure, svg):
        axes = figure.subplots(1, len(panels), sharex=differences, sharey=True, squeeze=False)[0]
        for axis, (name, title) in zip(axes, panels.items(), strict=True):
            _panel(axis, name, rows)
            axis.set_title(title, fontsize=9.5, fontweight="bold", loc="left")
            if differences:
                axis.axvline(0, color=_INK, linewidth=0.8)
            else:
                axis.set_xlim(-0.03, 1.03)
                axis.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", "", ".5", "", "1"))
        axes[0].set_yticks(range(len(rows)), _labels(rows))
        axes[0].set_ylim(len(rows) - 0.5, -0.5)
    return svg.getvalue()


def curves(lines: Sequence[Curve]) -> str:
    """How many queries are answered within the first results, by rank."""
    with _figure(_WIDTH_INCHES, 3.2) as (figure, svg):
        axis = figure.subplots()
        for line in lines:
            ranks = range(1, len(line.shares) + 1)
            style = _LINES[line.line % len(_LINES)]
            axis.plot(ranks, line.shares, style, color=COLOURS[line.query_type], label=line.label, linewidth=1.8)
        axis.set_ylim(0, 1.02)
        axis.set_xticks(range(1, 11))
        axis.grid(axis="y", color=_PALE)
        axis.tick_params(length=0)
        axis.set_xlabel("results looked at")
        axis.legend(frameon=False, loc="lower right")
    return svg.getvalue()


def _panel(axis: Axes, name: str, rows: Sequence[Row]) -> None:
    for place, row in enumerate(rows):
        if name not in row.values:
            continue
        measured, colour = row.values[name], COLOURS[row.query_type]
        axis.plot([measured.low, measured.high], [place, place], color=colour, linewidth=2.2, alpha=0.45)
        axis.plot([measured.value], [place], "o", color=colour, markersize=5.5)
    axis.grid(axis="x", color=_PALE)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)


def _labels(rows: Sequence[Row]) -> list[str]:
    before = [None, *(row.label for row in rows)]
    labels = [row.label if row.label != above else "" for row, above in zip(rows, before, strict=False)]
    return [f"{label},  {row.query_type}" if label else row.query_type for label, row in zip(labels, rows, strict=True)]


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, io.StringIO]]:
    """A figure in our style; the text holds it as SVG when the block ends."""
    from matplotlib import rc_context  # noqa: PLC0415 - takes half a second
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 - likewise
    from matplotlib.figure import Figure  # noqa: PLC0415 - likewise

    svg = io.StringIO()
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the page's reader has the glyphs
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure, svg
        figure.savefig(
            svg, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    text = svg.getvalue()
    svg.seek(0)
    svg.truncate()
    svg.write(text[text.index("<svg") :])
