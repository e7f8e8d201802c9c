"""Conditions on assets as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from meshseek.model import NUMBER_FIELDS, Condition
from meshseek.store.queries import query
from meshseek.store.read.statistics import WORDS, Statistics

Shape = tuple[tuple[str, bool], ...]
"""Field of each condition, and whether it is negated: what the text of a query depends on."""


def shape_of(conditions: Sequence[Condition]) -> Shape:
    """What the text of a query with these conditions depends on; however many phrases there are, they are one."""
    shape = tuple((condition.field, condition.negated) for condition in without_words(conditions))
    return (*shape, (WORDS, False)) if len(shape) < len(conditions) else shape


def where(shape: Shape) -> sql.Composed:
    """Conditions as what follows ``WHERE``."""
    parts: list[sql.Composed] = []
    for number, (name, negated) in enumerate(shape):
        labels, minimum, maximum = (sql.Placeholder(key) for key in _keys(number))
        if name in NUMBER_FIELDS:
            part = query("condition_number", column=sql.Identifier(name), minimum=minimum, maximum=maximum)
        elif name == WORDS:
            part = query("condition_words")
        else:
            part = query("condition_label", labels=labels)
        parts.append(query("condition_not", condition=part) if negated else part)
    return sql.SQL(" AND ").join(parts)


def values_of(conditions: Sequence[Condition], statistics: Statistics) -> dict[str, Any]:
    """The values that :func:`where` asks for."""
    values: dict[str, Any] = {}
    if statistics.phrases is not None:
        values["phrases"] = statistics.phrases.query
    for number, condition in enumerate(without_words(conditions)):
        labels, minimum, maximum = _keys(number)
        if condition.field in NUMBER_FIELDS:
            values |= {minimum: condition.minimum, maximum: condition.maximum}
        else:
            known = (statistics.labels.get((condition.field, value)) for value in condition.values)
            values[labels] = [label[0] for label in known if label is not None]
    return values


def without_words(conditions: Sequence[Condition]) -> list[Condition]:
    """Those that are not on words."""
    return [condition for condition in conditions if condition.field != WORDS]


def _keys(number: int) -> tuple[str, ...]:
    return tuple(f"{name}_{number}" for name in ("labels", "minimum", "maximum"))
