"""The goals of issue 15, each beside what one run measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MILLION, EIGHT, FORTY = 1_000_000, 8, 40
ALIKE, UNLIKE = 0.95, 0.7


@dataclass(frozen=True, slots=True)
class Size:
    """What was searched in."""

    assets: int
    views: float
    """Of an asset, in the mean."""
    likeness: float

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.assets:,} assets x {self.views:g} views, likeness {self.likeness:g}"


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table."""

    key: str
    what: str
    bound: float
    at_least: bool = False
    assets: int | None = MILLION
    views: int | None = EIGHT
    likeness: float | None = ALIKE

    @property
    def at(self) -> str:
        """The size that it is of."""
        parts = (
            f"{self.assets:,} assets" if self.assets else "",
            f"{self.views} views" if self.views else "",
            f"likeness {self.likeness:g}" if self.likeness == UNLIKE else "",
        )
        return ", ".join(filter(None, parts)) or "any"

    def is_of(self, size: Size) -> bool:
        """Whether this size is what the goal is about."""
        here = ((self.assets, size.assets), (self.views, size.views), (self.likeness, size.likeness))
        return all(wanted is None or abs(own / wanted - 1) < 0.02 for wanted, own in here)  # noqa: PLR2004

    def holds(self, value: float) -> bool:
        """Whether it is reached."""
        return value >= self.bound if self.at_least else value <= self.bound


GOALS = (
    Goal("recall", "words to views: recall@10, mean", 0.99, at_least=True),
    Goal("lost", "words to views: share of queries below .5", 0.0),
    Goal("p50", "asked for the first time, p50 ms", 8.0),
    Goal("p95", "asked for the first time, p95 ms", 15.0),
    Goal("again", "asked again, p50 ms", 5.0),
    Goal("p50", "40 views, asked for the first time, p50 ms", 12.0, assets=None, views=FORTY),
    Goal("recall", "likeness .7: recall@10, mean", 0.98, at_least=True, likeness=UNLIKE),
    Goal("lost", "likeness .7: share of queries below .5", 0.0, likeness=UNLIKE),
    Goal("p50", "likeness .7: asked for the first time, p50 ms", 15.0, likeness=UNLIKE),
    Goal("publish", "publish, minutes", 12.0),
    Goal("publish_gb", "publish, GB beside the database", 1.0),
    Goal("tune", "tune, minutes", 10.0),
    Goal("memory", "memory of this process and the database server, GB", 10.0),
    Goal("faiss", "p50 / faiss in process at equal recall, median of its graphs", 1.3, assets=125_000),
    Goal("chromadb", "p50 of chromadb / ours", 3.0, at_least=True, assets=25_000),
    Goal("lancedb", "p50 of lancedb / ours", 6.0, at_least=True, assets=25_000),
    Goal("filtered", "slowest filter / unfiltered", 3.0, assets=None, views=None, likeness=None),
    Goal("filter_recall", "recall of the worst filter", 0.99, at_least=True, assets=None, views=None, likeness=None),
)
"""Those of a service over HTTP are measured by ``make bench-serve``."""


def rows_of(size: Size, values: Mapping[str, float]) -> list[dict[str, Any]]:
    """Each goal: what was measured, and whether it is reached. A goal of another size is neither.

    Args:
        size: Of what was measured.
        values: Figures by the key of their goals; what was not measured is not there.
    """
    rows = []
    for goal in GOALS:
        value = values.get(goal.key)
        reached = "not measured" if value is None else "yes" if goal.holds(value) else "no"
        bound = f"{'>=' if goal.at_least else '<='} {goal.bound:g}"
        row = {"goal": goal.what, "at": goal.at, "bound": bound, "measured here": "" if value is None else value}
        rows.append({**row, "reached": reached if goal.is_of(size) else f"of another size ({reached})"})
    return rows
