"""Facets on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from meshseek.model import FILTER_FIELDS
from meshseek.untrusted.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from meshseek.store.read.facets import Facets, NumberClass

SHOWN = 12
"""Values of a field that are printed; --json has more."""


def _fields(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(value.split(",")) if value else ()


def facets_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--facets``."""
    option = click.option(
        "--facets",
        callback=_fields,
        metavar="FIELD,FIELD",
        help=f"Count the values of these fields. Fields: {', '.join(FILTER_FIELDS)}.",
    )
    return option(command)


def facets_as_lines(facets: Facets | None) -> Iterator[str]:
    """Facets as lines, one for each field."""
    if facets is None:
        return
    yield f"counted among {facets.counted:,} assets:"
    for name, counts in facets.labels.items():
        more = f", and {len(counts) - SHOWN} more values" if len(counts) > SHOWN else ""
        yield f"  {name}: " + (
            ", ".join(f"{plain(each.value)} {each.count:,}" for each in counts[:SHOWN]) + more if counts else "none"
        )
    for name, classes in facets.numbers.items():
        yield f"  {name}: " + (", ".join(map(_range, classes)) or "none")


def _range(each: NumberClass) -> str:
    span = f"{each.least:g}" if each.least == each.most else f"{each.least:g}..{each.most:g}"
    return f"{span} {each.count:,}"
