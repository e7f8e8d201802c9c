"""Which assets pass conditions, told from what stands beside their codes, as ``read/conditions.py`` does in SQL."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np

from meshseek.model import NUMBER_FIELDS, Condition
from meshseek.store.codes.parts import HASHES, LABELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.codes.segment import Segment

    Mask = NDArray[np.bool_]

Labels = Mapping[tuple[str, str], int]
"""Numbers of labels by field and value; one that is not here, no asset has."""
MOST_KEPT: Final = 16
"""Masks of a version that are kept: the next page, and whoever asks for the same, need them again. A byte an asset."""


class Masks:
    """Which assets of a version pass conditions. Threads may share it.

    Args:
        segments: All that there are, in their order.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._kept: OrderedDict[object, Mask] = OrderedDict()
        self._lock = Lock()

    def passing(self, conditions: Sequence[Condition], labels: Labels, hashes: NDArray[np.int64] | None) -> Mask:
        """As :func:`passing` tells; what was asked a moment ago is remembered, but for hashes."""
        key = None if hashes is not None else (tuple(conditions), frozenset(labels.items()))
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        mask = passing(self._segments, conditions, labels, hashes)
        if key is not None:
            with self._lock:
                self._kept[key] = mask
                if len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        return mask


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
    mask = np.ones(len(segment), dtype=np.bool_) if hashes is None else np.isin(segment.parts[HASHES], hashes)
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
