"""Conditions on assets as SQL, and how many assets will pass, known before anything is searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from psycopg import sql

from meshseek.language import bigrams, without_han
from meshseek.model import NUMBER_FIELDS, Condition
from meshseek.store.queries import query

WORDS = "words"
"""Field of a condition on the words of an asset: they hold the condition's one value as a phrase."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of the fields that some conditions name.

    Args:
        assets: Of the library.
        labels: Number and count of each label that is asked for, by field and value.
        percentiles: 0th to 100th percentile of a number, and how many assets have it, by field.
    """

    assets: int
    labels: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    percentiles: Mapping[str, tuple[Sequence[float], int]] = field(default_factory=dict)
    phrases: Mapping[str, int] = field(default_factory=dict)
    """How many assets have a phrase, or a number that is large enough."""

    def share(self, condition: Condition) -> float:
        """The share of assets that pass a condition, 0 to 1: exact for one word, for several rather too large."""
        if condition.field in NUMBER_FIELDS:
            edges, count = self.percentiles.get(condition.field, ((), 0))
            passing = count * _between(edges, condition.minimum, condition.maximum)
        elif condition.field == WORDS:
            passing = sum(self.phrases.get(value, 0) for value in condition.values)
        else:
            found = [self.labels.get((condition.field, value), (0, 0)) for value in condition.values]
            counts = [count for _, count in found]
            passing = max(counts, default=0) if condition.negated else sum(counts)
        share = min(1.0, passing / self.assets) if self.assets else 0.0
        return 1 - share if condition.negated else share

    def matching(self, conditions: Sequence[Condition]) -> float:
        """How many assets pass all conditions, as if each were independent of the others."""
        share = 1.0
        for condition in conditions:
            share *= self.share(condition)
        return share * self.assets


def _between(edges: Sequence[float], minimum: float | None, maximum: float | None) -> float:
    """The share of values within bounds, one percent too many rather than too few."""
    if not edges:
        return 0.0
    steps = [
        1
        for low, high in pairwise(edges)
        if (minimum is None or high >= minimum) and (maximum is None or low <= maximum)
    ]
    return len(steps) / (len(edges) - 1)


Shape = tuple[tuple[str, bool], ...]
"""Field of each condition, and whether it is negated: what the text of a query depends on."""


def shape_of(conditions: Sequence[Condition]) -> Shape:
    """What the text of a query with these conditions depends on."""
    return tuple((condition.field, condition.negated) for condition in conditions)


def where(shape: Shape) -> sql.Composed:
    """Conditions as what follows ``WHERE``."""
    parts: list[sql.Composed] = []
    for number, (name, negated) in enumerate(shape):
        labels, minimum, maximum, latin, pairs = (sql.Placeholder(key) for key in _keys(number))
        if name in NUMBER_FIELDS:
            part = query("condition_number", column=sql.Identifier(name), minimum=minimum, maximum=maximum)
        elif name == WORDS:
            part = query("condition_words", phrase=query("phrase", latin=latin, pairs=pairs))
        else:
            part = query("condition_label", labels=labels)
        parts.append(query("condition_not", condition=part) if negated else part)
    return sql.SQL(" AND ").join(parts)


def values_of(conditions: Sequence[Condition], statistics: Statistics) -> dict[str, Any]:
    """The values that :func:`where` asks for."""
    values: dict[str, Any] = {}
    for number, condition in enumerate(conditions):
        labels, minimum, maximum, latin, pairs = _keys(number)
        if condition.field in NUMBER_FIELDS:
            values |= {minimum: condition.minimum, maximum: condition.maximum}
        elif condition.field == WORDS:
            values |= {latin: without_han(condition.values[0]), pairs: bigrams(condition.values[0])}
        else:
            found = (statistics.labels.get((condition.field, value)) for value in condition.values)
            values[labels] = [label[0] for label in found if label is not None]
    return values


def _keys(number: int) -> tuple[str, ...]:
    return tuple(f"{name}_{number}" for name in ("labels", "minimum", "maximum", "latin", "pairs"))
