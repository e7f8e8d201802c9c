"""How many assets will pass some conditions, known before anything is searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from meshseek.language import bigrams, without_han
from meshseek.model import LABEL_FIELDS, NUMBER_FIELDS, Condition
from meshseek.store.queries import query
from meshseek.store.read.published import UNTUNED
from meshseek.store.read.reader import Session

if TYPE_CHECKING:
    from meshseek.store.read.reader import Reader

WORDS = "words"
"""Field of a condition on the words of an asset: they hold the condition's one value as a phrase. Never negated."""
COUNTING = Session(UNTUNED.ef, "force_custom_plan")
"""Counting may take as long as a search, so it is one: what is quick does not wait behind it."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """All phrases that are asked for, as one."""

    query: str
    """As PostgreSQL's type ``tsquery`` is written."""
    assets: int
    """How many have all of them, or a number that is large enough."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of the fields that some conditions name.

    Args:
        assets: Of the library.
        labels: Number and count of each label that is asked for, by field and value.
        percentiles: 0th to 100th percentile of a number, and how many assets have it, by field.
        phrases: None where none is asked for.
    """

    assets: int
    labels: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    percentiles: Mapping[str, tuple[Sequence[float], int]] = field(default_factory=dict)
    phrases: Phrases | None = None

    def matching(self, conditions: Sequence[Condition]) -> float:
        """How many assets pass all conditions, as if each were independent of the others; all phrases are one."""
        share = 1.0 if self.phrases is None else self._share_of(self.phrases.assets)
        for condition in conditions:
            if condition.field != WORDS:
                share *= self._share(condition)
        return share * self.assets

    def _share(self, condition: Condition) -> float:
        """The share of assets that pass a condition, 0 to 1: exact for one word, for several rather too large."""
        if condition.field in NUMBER_FIELDS:
            edges, count = self.percentiles.get(condition.field, ((), 0))
            passing = count * _between(edges, condition.minimum, condition.maximum)
        else:
            counts = [self.labels.get((condition.field, value), (0, 0))[1] for value in condition.values]
            passing = max(counts, default=0) if condition.negated else sum(counts)
        share = self._share_of(passing)
        return 1 - share if condition.negated else share

    def _share_of(self, passing: float) -> float:
        return min(1.0, passing / self.assets) if self.assets else 0.0


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


def read_statistics(
    reader: Reader, assets: int, conditions: Sequence[Condition], bound: int, shards: int = 1
) -> Statistics:
    """Ask what is known: at most one statement each for labels, numbers and phrases.

    Args:
        reader: Of the library.
        assets: How many the library has.
        conditions: What is asked for.
        bound: Assets with the phrases are counted no further.
        shards: The reader sees one of so many parts of the library, which are alike; all but phrases is known of the
            whole, and what is told is of the part.
    """
    return Statistics(
        -(-assets // shards),
        {label: (number, -(-count // shards)) for label, (number, count) in read_labels(reader, conditions).items()},
        {name: (edges, -(-count // shards)) for name, (edges, count) in _percentiles(reader, conditions).items()},
        _phrases(reader, conditions, bound),
    )


def named_labels(conditions: Sequence[Condition]) -> list[tuple[str, str]]:
    """Field and value of each word that conditions name."""
    return [(c.field, value) for c in conditions if c.field in LABEL_FIELDS for value in c.values]


def read_labels(reader: Reader, conditions: Sequence[Condition]) -> dict[tuple[str, str], tuple[int, int]]:
    """Number and count of each label that conditions name and the library has, by field and value."""
    named = named_labels(conditions)
    if not named:
        return {}
    fields, values = zip(*named, strict=True)
    rows = reader.rows(query("labels_named"), {"fields": list(fields), "values": list(values)})
    return {(row["field"], row["value"]): (row["number"], row["assets"]) for row in rows}


def _percentiles(reader: Reader, conditions: Sequence[Condition]) -> dict[str, tuple[Sequence[float], int]]:
    if not any(condition.field in NUMBER_FIELDS for condition in conditions):
        return {}
    return {row["field"]: (row["edges"], row["assets"]) for row in reader.rows(query("percentiles"), {})}


def _phrases(reader: Reader, conditions: Sequence[Condition], bound: int) -> Phrases | None:
    phrases = list(dict.fromkeys(condition.values[0] for condition in conditions if condition.field == WORDS))
    if not phrases:
        return None
    latin, pairs = [without_han(phrase) for phrase in phrases], [bigrams(phrase) for phrase in phrases]
    values = {"latin": latin, "pairs": pairs, "bound": bound}
    (row,) = reader.rows(query("count_phrases"), values, COUNTING)
    return Phrases(row["phrases"], row["assets"])
