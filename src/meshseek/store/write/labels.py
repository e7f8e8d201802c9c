"""What assets are filtered by: words as numbered labels, and numbers."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np

from meshseek.licences import permissions
from meshseek.model import LABEL_FIELDS, NUMBER_FIELDS, Attributes
from meshseek.sizes import SIDES, number, sides_in_cm
from meshseek.store.write.binary_copy import Arrays, Column, Numbers

Label = tuple[str, str]
"""Field and value."""
_permissions = lru_cache(1024)(permissions)
LARGEST = float(np.finfo(np.float32).max)
"""The columns of numbers hold no larger one."""


class LabelBook:
    """Numbers every label that assets have, and remembers which have which, by the order in which they were noted."""

    def __init__(self) -> None:
        self._numbers: dict[Label, int] = {}
        self._counts: list[int] = []
        self._flat = array("i")
        """The labels of all assets, one after the other."""
        self._ends = array("q", [0])
        self._figures = array("f")
        self._final: dict[int, int] | None = None

    def __len__(self) -> int:
        """How many assets were noted."""
        return len(self._ends) - 1

    def add(self, attributes: Attributes) -> None:
        """Note one more asset."""
        for label in labels_of(attributes):
            number = self._numbers.setdefault(label, len(self._counts))
            if number == len(self._counts):
                self._counts.append(0)
            self._counts[number] += 1
            self._flat.append(number)
        self._ends.append(len(self._flat))
        self._figures.extend(figures_of(attributes))

    def keep_numbers(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Let labels keep the numbers that they have; rows of number, field, value.

        Others get numbers that no label has had.
        """
        known = {(name, value): number for number, name, value in rows}
        unused = count(1 + max(known.values(), default=-1))
        self._final = {
            number: known[label] if label in known else next(unused) for label, number in self._numbers.items()
        }

    def columns(self, rows: Sequence[int]) -> list[Column]:
        """The labels and numbers of assets, as they stand beside their vectors.

        Args:
            rows: Which; 0 is the one that was noted first.
        """
        figures = np.frombuffer(self._figures, dtype=np.float32).reshape(-1, len(NUMBER_FIELDS))[list(rows)]
        numbers = [Numbers(column, ">f4", ~np.isnan(column)) for column in figures.T]
        return [Arrays([sorted(map(self._number, self._labels(row))) for row in rows]), *numbers]

    def held_by(self, row: int) -> tuple[list[int], list[float | None]]:
        """The same of one asset: the numbers of its labels, and its numbers, None where it has none."""
        width = len(NUMBER_FIELDS)
        figures = self._figures[row * width : (row + 1) * width]
        return sorted(map(self._number, self._labels(row))), [None if math.isnan(each) else each for each in figures]

    def rows(self) -> list[tuple[int, str, str, int]]:
        """Number, field, value and count of each label."""
        return [(self._number(number), *label, self._counts[number]) for label, number in self._numbers.items()]

    def percentiles(self) -> list[tuple[str, list[float], int]]:
        """Field, 0th to 100th percentile, and number of assets that have it."""
        table = np.frombuffer(self._figures, dtype=np.float32).reshape(-1, len(NUMBER_FIELDS))
        told = []
        for name, column in zip(NUMBER_FIELDS, table.T, strict=True):
            known = column[~np.isnan(column)]
            if len(known):
                edges = np.percentile(known, np.arange(101)).tolist()
                told.append((name, edges, len(known)))
        return told

    def _labels(self, row: int) -> array[int]:
        return self._flat[self._ends[row] : self._ends[row + 1]]

    def _number(self, number: int) -> int:
        return number if self._final is None else self._final[number]


def labels_of(attributes: Attributes) -> list[Label]:
    """The labels of an asset, each once."""
    named = {**attributes, "permits": _permissions(str(attributes.get("licence") or ""))}
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
    if value is None or type(value) is str:  # mostly, and a million assets are looked at
        return [value] if value else []
    if isinstance(value, list | tuple):
        return [word for own in value for word in _words(own)]
    return [str(value)] if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "" else []


def _figure(value: Any) -> float:
    figure = number(value)
    return figure if abs(figure) <= LARGEST else math.nan
