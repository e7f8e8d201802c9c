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


def fuse(
    parts: Sequence[Part], whole: AbstractSet[str], named: AbstractSet[str], limit: int | None = None
) -> list[Ranked]:
    """One ranking of all assets in the parts, best first; ties are broken by asset id.

    Args:
        parts: What is added up.
        whole: Assets that hold all words of the query.
        named: Those of which the query is the whole name; they come first.
        limit: How many are wanted; None for all.
    """
    every = {asset_id for part in parts for asset_id in part.scores} | whole | named
    sums = {asset_id: _summands(asset_id, parts, whole) for asset_id in every}
    order = sorted(every, key=lambda asset_id: (asset_id not in named, -sum(sums[asset_id].values()), asset_id))
    return [_ranked(asset_id, parts, sums[asset_id], is_named=asset_id in named) for asset_id in order[:limit]]


def _summands(asset_id: str, parts: Sequence[Part], whole: AbstractSet[str]) -> dict[str, float]:
    """What the score of an asset is the sum of: a weighted part, or what stands in for one that it lacks; words."""
    standards = [part.standard(asset_id) for part in parts]
    known = [(value, part.weight) for value, part in zip(standards, parts, strict=True) if value is not None]
    instead = max((OTHER_PART * min(1, weight / DOUBTFUL) * value for value, weight in known), default=None)
    summands: dict[str, float] = {}
    for part, standard in zip(parts, standards, strict=True):
        if standard is not None:
            summands[part.name] = part.weight * standard
        elif instead is not None:
            summands[f"{part.name}_instead"] = part.weight * instead
    if asset_id in whole:
        summands["words"] = ALL_WORDS
    return summands


def _ranked(asset_id: str, parts: Sequence[Part], summands: Mapping[str, float], *, is_named: bool) -> Ranked:
    """An asset with its score, and what that rests on: of each part the cosine, its standard score and its weight."""
    told = {name: value for name, value in summands.items() if name not in {part.name for part in parts}}
    viewpoint_id = None
    for part in parts:
        ranked = part.scores.get(asset_id)
        if ranked is not None:
            viewpoint_id = viewpoint_id if ranked.viewpoint_id is None else ranked.viewpoint_id
            standard = (part.scale or UNKNOWN).standard(ranked.score)
            told |= {part.name: ranked.score, f"{part.name}_standard": standard, f"{part.name}_weight": part.weight}
    return Ranked(
        asset_id=asset_id,
        score=sum(summands.values()),
        viewpoint_id=viewpoint_id,
        parts=told,
        is_named=is_named,
    )
