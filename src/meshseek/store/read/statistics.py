"""How many assets will pass some conditions, known before anything is searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
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


Label = tuple[str, str]
"""Its field and its value."""


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
    labels: Mapping[Label, tuple[int, int]] = field(default_factory=dict)
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


@dataclass(slots=True)
class _Learnt:
    """What was read of a database already."""

    labels: dict[Label, tuple[int, int] | None] = field(default_factory=dict)
    """None for one that the library has not."""
    percentiles: dict[str, tuple[Sequence[float], int]] | None = None
    phrases: dict[tuple[tuple[str, ...], int], Phrases] = field(default_factory=dict)
    """By what is asked for, and up to which number it was counted."""


_learnt: ContextVar[dict[Reader, _Learnt] | None] = ContextVar("learnt", default=None)
"""For the answer that this thread works on; threads that ask several shards for it share it."""


@contextmanager
def learning() -> Iterator[None]:
    """Within it, nothing that is known of conditions is read twice: one answer may rank by them many times.

    It is for what is read from one version: another one may number its labels differently.
    """
    token = _learnt.set({})
    try:
        yield
    finally:
        _learnt.reset(token)


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
    learnt = _learnt_of(reader)
    labels, percentiles = read_labels(reader, conditions), _percentiles(reader, conditions, learnt)
    return Statistics(
        -(-assets // shards),
        {label: (number, -(-count // shards)) for label, (number, count) in labels.items()},
        {name: (edges, -(-count // shards)) for name, (edges, count) in percentiles.items()},
        _phrases(reader, conditions, bound, learnt),
    )


def named_labels(conditions: Sequence[Condition]) -> list[Label]:
    """Field and value of each word that conditions name."""
    return [(c.field, value) for c in conditions if c.field in LABEL_FIELDS for value in c.values]


def read_labels(reader: Reader, conditions: Sequence[Condition]) -> dict[Label, tuple[int, int]]:
    """Number and count of each label that conditions name and the library has, by field and value."""
    learnt, named = _learnt_of(reader), {*named_labels(conditions)}
    unknown = sorted(named - learnt.labels.keys())
    if unknown:
        fields, values = zip(*unknown, strict=True)
        rows = reader.rows(query("labels_named"), {"fields": list(fields), "values": list(values)})
        learnt.labels |= dict.fromkeys(unknown)
        learnt.labels |= {(row["field"], row["value"]): (row["number"], row["assets"]) for row in rows}
    return {label: known for label in named if (known := learnt.labels[label]) is not None}


def _learnt_of(reader: Reader) -> _Learnt:
    answer = _learnt.get()
    return _Learnt() if answer is None else answer.setdefault(reader, _Learnt())


def _percentiles(
    reader: Reader, conditions: Sequence[Condition], learnt: _Learnt
) -> dict[str, tuple[Sequence[float], int]]:
    if not any(condition.field in NUMBER_FIELDS for condition in conditions):
        return {}
    if learnt.percentiles is None:
        rows = reader.rows(query("percentiles"), {})
        learnt.percentiles = {row["field"]: (row["edges"], row["assets"]) for row in rows}
    return learnt.percentiles


def _phrases(reader: Reader, conditions: Sequence[Condition], bound: int, learnt: _Learnt) -> Phrases | None:
    phrases = tuple(dict.fromkeys(condition.values[0] for condition in conditions if condition.field == WORDS))
    if not phrases:
        return None
    if (phrases, bound) not in learnt.phrases:
        latin, pairs = [without_han(phrase) for phrase in phrases], [bigrams(phrase) for phrase in phrases]
        values = {"latin": latin, "pairs": pairs, "bound": bound}
        (row,) = reader.rows(query("count_phrases"), values, COUNTING)
        learnt.phrases[phrases, bound] = Phrases(row["phrases"], row["assets"])
    return learnt.phrases[phrases, bound]
