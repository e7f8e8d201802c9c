"""The breadths that are tried when an index is tuned, from narrow to wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meshseek.store.indexes import Index
from meshseek.store.read.published import MAX_EF, Breadth

_STEPS: Final = (40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1000)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps for one kind of index."""

    efs: Sequence[int]
    candidates: Sequence[int]
    """Those that are more than an ``ef`` are not tried with it."""
    instead: Sequence[Breadth]
    """Breadths of which one is kept where none of the others reaches the goal; the last one is the widest."""
    steps_kept_back: int = 0
    """Steps of ``ef`` that are added to the one that suffices, where they cost little, for queries as rare as one in a
    thousand, which none of those that are measured may be like."""

    @property
    def narrowest(self) -> Breadth:
        """The cheapest of all."""
        return Breadth(self.efs[0], self.candidates[0])

    def kept(self, enough: Breadth) -> Breadth:
        """What is kept where a breadth is enough."""
        step = self.efs.index(enough.ef) + self.steps_kept_back
        return Breadth(self.efs[min(step, len(self.efs) - 1)], enough.candidates)


OF_GRAPHS: Final = Ladder(
    efs=(*_STEPS[:-1], MAX_EF),
    candidates=_STEPS,
    instead=(Breadth(100, 100), Breadth(400, 400), Breadth(MAX_EF, 1000)),
)
"""A search of a graph takes as long as it is wide."""
OF_CODES: Final = Ladder(
    efs=(40, 100, 200, 300, 400, 500, 600, 700, 850, 1000, 1400, 2000, 4000, 8000),
    candidates=(*_STEPS, 1400, 2000, 3000, 4000),
    instead=(Breadth(100, 100), Breadth(1000, 400), Breadth(2000, 1000), Breadth(4000, 2000), Breadth(8000, 4000)),
    steps_kept_back=1,
)
"""Four times as many codes are followed, a quarter of a microsecond each. With the last step, 800,000 are scanned. A
candidate of eight views costs 2 microseconds; of a million assets whose views differ much, 1,000 find .96."""


def ladder_of(index: type[Index]) -> Ladder:
    """The steps for a kind of index."""
    return OF_CODES if index.has_codes else OF_GRAPHS
