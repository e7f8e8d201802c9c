"""How many assets have each value of a field, and how their numbers are spread."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from meshseek.model import LABEL_FIELDS, NUMBER_FIELDS

MOST_VALUES: Final = 100
"""Values of a field that are told, the most frequent first; a library may have many thousand tags."""
EDGES: Final = tuple(float(f"{first}e{power}") for power in range(-1, 10) for first in (1, 2, 5))
"""Where classes of numbers begin: the same for every library, so that what shards say can be added up."""


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value of a field, and how many assets have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class NumberClass:
    """Numbers that lie near to each other: the least and the most of them, and how many assets have one.

    These are numbers that assets have: a filter with them as its bounds lets just these assets pass.
    """

    least: float
    most: float
    count: int

    def with_other(self, other: NumberClass) -> NumberClass:
        """Both together."""
        return NumberClass(min(self.least, other.least), max(self.most, other.most), self.count + other.count)


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted among some assets."""

    assets: int = 0
    """How many these are."""
    values: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By field and value."""
    classes: Mapping[str, Mapping[int, NumberClass]] = field(default_factory=dict)
    """By field and number of the class."""

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Counts:
        """From the rows of the query ``facets``."""
        assets = 0
        values: dict[str, dict[str, int]] = {}
        classes: dict[str, dict[int, NumberClass]] = {}
        for row in rows:
            if row["field"] is None:
                assets = row["assets"]
            elif row["value"] is None:
                own = NumberClass(row["least"], row["most"], row["assets"])
                classes.setdefault(row["field"], {})[bisect_right(EDGES, own.least)] = own
            else:
                values.setdefault(row["field"], {})[row["value"]] = row["assets"]
        return cls(assets, values, classes)

    def times(self, factor: int) -> Counts:
        """The same of so many times as many assets, of which these stand for all."""
        if factor == 1:
            return self
        return Counts(
            self.assets,
            {name: {value: factor * count for value, count in own.items()} for name, own in self.values.items()},
            {
                name: {number: NumberClass(each.least, each.most, factor * each.count) for number, each in own.items()}
                for name, own in self.classes.items()
            },
        )


def merged_counts(parts: Sequence[Counts]) -> Counts:
    """What was counted in all of several parts of a library."""
    values: dict[str, dict[str, int]] = {}
    classes: dict[str, dict[int, NumberClass]] = {}
    for part in parts:
        for name, own in part.values.items():
            counts = values.setdefault(name, {})
            for value, count in own.items():
                counts[value] = counts.get(value, 0) + count
        for name, others in part.classes.items():
            known = classes.setdefault(name, {})
            for number, each in others.items():
                known[number] = each.with_other(known[number]) if number in known else each
    return Counts(sum(part.assets for part in parts), values, classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """The fields that were asked for, in the order in which they were."""

    counted: int
    """Assets that were looked at under all conditions."""
    labels: Mapping[str, Sequence[ValueCount]]
    """The most frequent values first, equal ones by value."""
    numbers: Mapping[str, Sequence[NumberClass]]
    """From the smallest numbers to the largest; none where no asset has any."""

    @classmethod
    def of(cls, counted: int, fields: Sequence[str], by_field: Mapping[str, Counts]) -> Facets:
        """From what was counted for each field."""
        return cls(
            counted=counted,
            labels={
                name: most_frequent(by_field[name].values.get(name, {})) for name in fields if name in LABEL_FIELDS
            },
            numbers={
                name: [own[number] for number in sorted(own)]
                for name in fields
                if name in NUMBER_FIELDS
                for own in (by_field[name].classes.get(name, {}),)
            },
        )

    def as_plain(self) -> dict[str, Any]:
        """As values that JSON has: labels with their counts, and of numbers the spread."""
        labels = {
            name: [{"value": each.value, "count": each.count} for each in counts]
            for name, counts in self.labels.items()
        }
        numbers = {
            name: {
                "min": classes[0].least if classes else None,
                "max": classes[-1].most if classes else None,
                "buckets": [{"min": each.least, "max": each.most, "count": each.count} for each in classes],
            }
            for name, classes in self.numbers.items()
        }
        return {"facets": {**labels, **numbers}, "counted": self.counted}


def most_frequent(counts: Mapping[str, int]) -> list[ValueCount]:
    """The first values, most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [ValueCount(value, count) for value, count in ordered[:MOST_VALUES]]
