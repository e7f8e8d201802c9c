"""What assets are filtered by: words as numbered labels, and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from meshseek.licences import permissions
from meshseek.model import LABEL_FIELDS, NUMBER_FIELDS, Attributes
from meshseek.sizes import SIDES, number, sides_in_cm
from meshseek.store.write.binary_copy import Arrays, Column, Numbers

Label = tuple[str, str]
"""Field and value."""
LARGEST = float(np.finfo(np.float32).max)
"""The columns of numbers hold no larger one."""


@dataclass(slots=True)
class LabelBook:
    """Numbers every label that assets have, and remembers which asset has which."""

    numbers: dict[Label, int] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    """How many assets have a label, by its number."""
    _labels: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _figures: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def known(cls, rows: Sequence[tuple[int, str, str]]) -> LabelBook:
        """One that keeps the numbers of labels that there are; rows of number, field, value."""
        book = cls({(name, value): number for number, name, value in rows})
        book.counts = [0] * (1 + max(book.numbers.values(), default=-1))
        return book

    def add(self, asset_id: str, attributes: Attributes) -> None:
        """Note an asset."""
        own = []
        for label in labels_of(attributes):
            number = self.numbers.setdefault(label, len(self.counts))
            if number == len(self.counts):
                self.counts.append(0)
            self.counts[number] += 1
            own.append(number)
        self._labels[asset_id] = tuple(sorted(own))
        self._figures[asset_id] = figures_of(attributes)

    def columns(self, ids: Sequence[str]) -> list[Column]:
        """The labels and numbers of assets, as they stand beside their vectors."""
        figures = np.array([self._figures[asset_id] for asset_id in ids], dtype=np.float32)
        figures = figures.reshape(len(ids), len(NUMBER_FIELDS))
        numbers = [Numbers(column, ">f4", ~np.isnan(column)) for column in figures.T]
        return [Arrays([self._labels[asset_id] for asset_id in ids]), *numbers]

    def rows(self) -> list[tuple[int, str, str, int]]:
        """Number, field, value and count of each label that any asset has."""
        counted = ((number, *label, self.counts[number]) for label, number in self.numbers.items())
        return [row for row in counted if row[-1]]

    def percentiles(self) -> list[tuple[str, list[float], int]]:
        """Field, 0th to 100th percentile, and number of assets that have it."""
        table = np.array(list(self._figures.values()), dtype=np.float32).reshape(-1, len(NUMBER_FIELDS))
        found = []
        for name, column in zip(NUMBER_FIELDS, table.T, strict=True):
            known = column[~np.isnan(column)]
            if len(known):
                edges = np.percentile(known, np.arange(101)).tolist()
                found.append((name, edges, len(known)))
        return found


def labels_of(attributes: Attributes) -> list[Label]:
    """The labels of an asset, each once."""
    named = {**attributes, "permits": permissions(str(attributes.get("licence") or ""))}
    found = [(name, value) for name in LABEL_FIELDS for value in _words(named.get(name))]
    return list(dict.fromkeys(found))


def figures_of(attributes: Attributes) -> tuple[float, ...]:
    """The numbers of an asset in the order of ``NUMBER_FIELDS``; NaN where it has none.

    A size of an unknown unit is none: no bound in centimetres says anything of it.
    """
    sides = sides_in_cm(attributes) or ()
    named = {**dict(zip(SIDES, sides, strict=False)), **attributes}
    return tuple(_figure(named.get(name)) for name in NUMBER_FIELDS)


def _words(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [word for own in value for word in _words(own)]
    return [str(value)] if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "" else []


def _figure(value: Any) -> float:
    figure = number(value)
    return figure if abs(figure) <= LARGEST else math.nan
