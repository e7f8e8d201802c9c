"""Joins what captions, views and words say into one ranking, by standard scores.

Cosines with captions and with views are on two scales, and how far apart good and bad ones lie differs from query to
query. A standard score says how far a cosine stands out from what this query gives for assets taken at random; such
scores can be added. (Of ranks, as in reciprocal-rank fusion, nobody can tell whether the first is good.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from meshseek.model import Ranked
from meshseek.store.read.background import Scale

OTHER_PART = 0.8
"""Of the standard score of the part that an asset has, it gets so much for the one that it lacks: not as much as if
both agreed. With half of the captions of the furniture taken away, .6 to 1 found most, also for views of weight .15."""
DOUBTFUL = 0.1
"""Parts that are trusted less than that stand in for the others only as far as they are trusted."""
ALL_WORDS = 1.0
"""What holding all words of the query is worth, in standard deviations."""
UNKNOWN = Scale(0.0, 1.0)
"""Where too little is known for standard scores, cosines are taken as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one kind of vector says.

    Args:
        name: Of the part in the results.
        weight: How far it is trusted.
        scale: Turns its cosines into standard scores.
        scores: By asset id; an asset that is not there has no such vector.
    """

    name: str
    weight: float
    scale: Scale | None
    scores: Mapping[str, Ranked]

    def standard(self, asset_id: str) -> float | None:
        """The standard score of an asset, where it has any."""
        ranked = self.scores.get(asset_id)
        return None if ranked is None else (self.scale or UNKNOWN).standard(ranked.score)


def fuse(parts: Sequence[Part], whole: AbstractSet[str], named: AbstractSet[str]) -> list[Ranked]:
    """One ranking of all assets in the parts, best first; ties are broken by asset id.

    Args:
        parts: What is added up.
        whole: Assets that hold all words of the query.
        named: Those of which the query is the whole name; they come first.
    """
    every = {asset_id for part in parts for asset_id in part.scores} | whole | named
    fused = [_fused(asset_id, parts, whole, named) for asset_id in every]
    return sorted(fused, key=lambda ranked: (not ranked.is_named, -ranked.score, ranked.asset_id))


def _fused(asset_id: str, parts: Sequence[Part], whole: AbstractSet[str], named: AbstractSet[str]) -> Ranked:
    standards = {part.name: part.standard(asset_id) for part in parts}
    known = [(value, part.weight) for part in parts if (value := standards[part.name]) is not None]
    instead = max((OTHER_PART * min(1, weight / DOUBTFUL) * value for value, weight in known), default=0.0)
    score = 0.0
    told: dict[str, float] = {}
    for part in parts:
        standard = standards[part.name]
        score += part.weight * (instead if standard is None else standard)
        if standard is None and known:
            told[f"{part.name}_instead"] = part.weight * instead
        elif standard is not None:
            told |= {part.name: part.scores[asset_id].score, f"{part.name}_standard": standard}
            told[f"{part.name}_weight"] = part.weight
    if asset_id in whole:
        score += ALL_WORDS
        told["words"] = ALL_WORDS
    viewpoint = next((part.scores[asset_id].viewpoint_id for part in reversed(parts) if asset_id in part.scores), None)
    return Ranked(asset_id=asset_id, score=score, viewpoint_id=viewpoint, parts=told, is_named=asset_id in named)
