"""Which assets pass conditions, told from what stands beside their codes, as ``read/conditions.py`` does in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from meshseek.model import NUMBER_FIELDS, Condition
from meshseek.store.codes.parts import HASHES, LABELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.codes.segment import Segment

    Mask = NDArray[np.bool_]

Labels = Mapping[tuple[str, str], int]
"""Numbers of labels by field and value; one that is not here, no asset has."""


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
    every, ends = segment.parts[LABELS], segment.label_ends()
    for number in wanted:  # faster than one np.isin, and there are few
        mask[np.searchsorted(ends, np.flatnonzero(every == number), side="right")] = True
    return mask
