"""Filters as users write them, turned into checked conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from struct import pack, unpack
from typing import Any

from meshseek.errors import QueryError
from meshseek.licences import PERMITS, USE_NAMES, USES
from meshseek.model import FILTER_FIELDS, LABEL_FIELDS, NUMBER_FIELDS, Condition
from meshseek.untrusted.text import plain

_MOST = 80
Filters = Mapping[str, Any]
"""By field: a word or words of which one must hold, ``{"min": 1, "max": 5}``, or ``{"not": ...}`` around either."""


def conditions(filters: Filters) -> tuple[Condition, ...]:
    """Check filters, and order them by field.

    Raises:
        QueryError: A field is not known, or a value cannot be one of its.
    """
    return tuple(_condition(name, filters[name], negated=False) for name in sorted(filters))


def _condition(name: str, value: Any, *, negated: bool) -> Condition:
    if name not in FILTER_FIELDS:
        raise QueryError(f"cannot filter on '{shown(name)}'; known fields: {', '.join(FILTER_FIELDS)}")
    while isinstance(value, Mapping) and set(value) == {"not"}:
        value, negated = value["not"], not negated
    if name in NUMBER_FIELDS:
        minimum, maximum = _bounds(name, value)
        return Condition(field=name, minimum=minimum, maximum=maximum, negated=negated)
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, Sequence) or not all(isinstance(word, str) for word in words):
        raise QueryError(f"the filter on '{name}' is not a word; only {', '.join(NUMBER_FIELDS)} have a min and a max")
    if any("\0" in word for word in words):
        raise QueryError("a filter's value holds a NUL character; leave it out")
    values = tuple(map(_permission, words)) if name == "permits" else tuple(words)
    return Condition(field=name, values=values, negated=negated)


def _permission(word: str) -> str:
    """What a licence has to permit, by the name that it has there or the one that a use has."""
    if word not in USE_NAMES:
        raise QueryError(f"the filter on 'permits' knows no '{shown(word)}'; there are: {', '.join(PERMITS)}")
    return USES.get(word, word)


def _bounds(name: str, value: Any) -> tuple[float | None, float | None]:
    if isinstance(value, list | tuple):
        if len(value) != 1:
            raise QueryError(f"the filter on '{name}' has {len(value)} values; give one number, or a min and a max")
        (value,) = value
    whole = value if isinstance(value, Mapping) else {"min": value, "max": value}
    if not set(whole) <= {"min", "max"} or all(bound is None for bound in whole.values()):
        raise QueryError(f'the filter on \'{name}\' has no bounds; write {{"min": 10, "max": 20}}, or one of the two')
    minimum, maximum = (None if whole.get(key) is None else _number(name, whole[key]) for key in ("min", "max"))
    if minimum is not None and maximum is not None and minimum > maximum:
        raise QueryError(
            f"the filter on '{name}' has a min, {minimum:g}, above its max, {maximum:g}: nothing passes; swap them"
        )
    return minimum, maximum


def _number(name: str, value: Any) -> float:
    """A number in single precision, as the database has it: there, one that is too large or too small is an error."""
    try:
        number = in_single_precision(value)
    except (TypeError, ValueError) as error:
        got = f"'{shown(value)}'" if isinstance(value, str) else "something else"
        raise QueryError(f"the filter on '{name}' needs numbers; got {got}") from error
    if not math.isfinite(number):
        raise QueryError(
            f"the filter on '{name}' needs finite numbers, at most 3.4e38; leave out a bound that you do not need"
        )
    return number


def in_single_precision(number: float) -> float:
    """A number as the database has it; infinite where it is too large."""
    try:
        (single,) = unpack("f", pack("f", float(number)))
    except OverflowError:
        return math.inf
    return float(single)


def shown(text: str) -> str:
    """What somebody gave, on one line and not at length."""
    return plain(text)[:_MOST]


def parse_filter(text: str) -> tuple[str, Any]:
    """A filter from the command line: ``field=word``, ``field!=word``, ``faces=100..5000``, ``faces=..5000``.

    Raises:
        QueryError: It is none of these.
    """
    name, equals, value = text.partition("=")
    negated, name = name.endswith("!"), name.removesuffix("!")
    if not equals:
        raise QueryError(
            f"'{shown(text)}' is not a filter; write field=word, field!=word or field=10..20; "
            f"fields: {', '.join(FILTER_FIELDS)}"
        )
    parsed: Any = value
    if name not in LABEL_FIELDS and ".." in value:
        low, _, high = value.partition("..")
        parsed = {"min": low or None, "max": high or None}
    return name, {"not": parsed} if negated else parsed
