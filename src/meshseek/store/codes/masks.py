"""Which assets pass conditions, told from what stands beside their codes, as ``read/conditions.py`` does in SQL."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np

from meshseek.model import NUMBER_FIELDS, Condition
from meshseek.store.codes.parts import LABELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.codes.segment import Segment

    Mask = NDArray[np.bool_]

Labels = Mapping[tuple[str, str], int]
"""Numbers of labels by field and value; one that is not here, no asset has."""
MOST_KEPT: Final = 16
"""Masks of a version that are kept: the next page, and whoever asks for the same, need them again. A byte an asset, and
a bit for each of its vectors."""
MOST_LISTED: Final = 16_384
"""Rows that pass are listed where they are so few: they are compared without a scan."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of a column are of assets that pass."""

    count: int
    bits: NDArray[np.uint8]
    """One for each row, the first in the lowest bit."""
    listed: NDArray[np.intp] | None
    """The rows; None where they are many."""
    of_lists: NDArray[np.intp]
    """How many of them each list of the column has."""


class Passing:
    """Which assets may be given, and with them which rows of each column. Threads may share it.

    Args:
        mask: Whether each asset may, by its number.
    """

    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self._rows: dict[int, Rows] = {}

    def rows(self, numbers: NDArray[np.int32], lists: NDArray[np.uint16], count: int) -> Rows:
        """Which rows pass, by the number of each row's asset; the same array of a version is looked at once.

        Args:
            numbers: Of the asset of each row.
            lists: Which one each row is in.
            count: How many lists there are.
        """
        known = self._rows.get(id(numbers))
        if known is None:
            passes = self.mask[numbers]
            of_lists = np.bincount(lists[passes], minlength=count)
            total = int(of_lists.sum())
            listed = np.flatnonzero(passes) if total <= MOST_LISTED else None
            known = Rows(total, np.packbits(passes, bitorder="little"), listed, of_lists)
            self._rows[id(numbers)] = known
        return known


class Masks:
    """Which assets of a version pass conditions. Threads may share it.

    Args:
        segments: All that there are, in their order.
        living: Which assets are there still, by their numbers; None for all.
    """

    def __init__(self, segments: Sequence[Segment], living: Mask | None) -> None:
        self._segments = segments
        self._living = living
        self.all = None if living is None else Passing(living)
        """All that are there; None where that are all there were."""
        self._kept: OrderedDict[object, Passing] = OrderedDict()
        self._lock = Lock()

    def passing(
        self,
        conditions: Sequence[Condition],
        labels: Labels,
        phrases: str | None = None,
        having: Callable[[], NDArray[np.int64]] | None = None,
    ) -> Passing:
        """Which assets pass all conditions; what was asked a moment ago is remembered.

        Args:
            conditions: On labels and numbers.
            labels: Those that the conditions name.
            phrases: What else is asked of their words; None for nothing.
            having: Tells hashes of the ids of those that have these; asked once.
        """
        key = (tuple(conditions), frozenset(labels.items()), phrases)
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        mask = passing(self._segments, conditions, labels, having() if having else None)
        kept = Passing(mask if self._living is None else mask & self._living)
        with self._lock:
            self._kept[key] = kept
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return kept


def passing(
    segments: Sequence[Segment], conditions: Sequence[Condition], labels: Labels, hashes: NDArray[np.int64] | None
) -> Mask:
    """Whether each asset passes all conditions, by its number.

    Args:
        segments: All that there are, in their order.
        conditions: On labels and numbers.
        labels: Those that the conditions name.
        hashes: Of the ids that may pass besides; None for all.
    """
    return np.concatenate([_passing(segment, conditions, labels, hashes) for segment in segments])


def _passing(
    segment: Segment, conditions: Sequence[Condition], labels: Labels, hashes: NDArray[np.int64] | None
) -> Mask:
    mask = np.ones(len(segment), dtype=np.bool_) if hashes is None else _hashed(segment, hashes)
    for condition in conditions:
        if condition.field in NUMBER_FIELDS:
            held = _within(segment.parts[condition.field], condition.minimum, condition.maximum)
        else:
            known = (labels.get((condition.field, value)) for value in condition.values)
            held = _having(segment, {number for number in known if number is not None})
        mask &= ~held if condition.negated else held
    return mask


def _within(values: NDArray[np.float32], minimum: float | None, maximum: float | None) -> Mask:
    """Whether numbers are there, which NaN says they are not, and within bounds."""
    low = np.float32(-np.inf if minimum is None else minimum)
    high = np.float32(np.inf if maximum is None else maximum)
    return (values >= low) & (values <= high)


def _having(segment: Segment, wanted: Collection[int]) -> Mask:
    """Whether assets have any of some labels."""
    mask = np.zeros(len(segment), dtype=np.bool_)
    for number in wanted:  # faster than one np.isin, and there are few
        mask[segment.label_places[segment.parts[LABELS] == number]] = True
    return mask


def _hashed(segment: Segment, wanted: NDArray[np.int64]) -> Mask:
    """Whether the ids of assets have any of some hashes: looked up, for there are far more assets than hashes."""
    order, hashes = segment.by_hash
    starts, ends = np.searchsorted(hashes, wanted, "left"), np.searchsorted(hashes, wanted, "right")
    mask = np.zeros(len(segment), dtype=np.bool_)
    counts = ends - starts
    mask[order[np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())]] = True
    return mask
