"""The parts of a combined query as they are typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

Weighted = tuple[str, str, float]
"""What a part is (``text``, ``image`` or ``like``), which, and its weight."""


class WeightedPart(click.ParamType[Any]):
    """A part with its weight: ``0.5:blue``, ``2:image:photo.png`` or ``-1:like:ASSET_ID``."""

    name = "WEIGHT:TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Weighted:
        """What was typed."""
        if isinstance(value, tuple):
            return value
        weight, _, rest = str(value).partition(":")
        kind, colon, what = rest.partition(":")
        try:
            number = float(weight)
        except ValueError:
            self.fail(f"'{value}' does not begin with a weight; write WEIGHT:TEXT, as in 0.5:blue", param, ctx)
        return (kind, what, number) if colon and kind in {"image", "like"} else ("text", rest, number)


def asked_for(typed: Sequence[Weighted]) -> dict[str, Any]:
    """What a query takes of that: one text or picture with the weight 1 as it is, and anything else as parts.

    Raises:
        ImageError: A picture cannot be read.
        QueryError: A weight is out of bounds.
    """
    from meshseek.images import read_image
    from meshseek.search.parts import QueryPart, expect_few

    expect_few(len(typed), sum(kind == "image" for kind, _, _ in typed))
    parts = []
    for kind, what, weight in typed:
        name = {"like": "asset_id"}.get(kind, kind)
        asked: Any = read_image(Path(what)) if kind == "image" else what
        if len(typed) == 1 and weight == 1:
            return {name: asked}
        parts.append(QueryPart(**{name: asked}, weight=weight))
    return {"parts": parts}
