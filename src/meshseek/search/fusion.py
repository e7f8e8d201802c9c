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

    @property
    def standards(self) -> dict[str, float]:
        """The standard score of each asset that has any."""
        scale = self.scale or UNKNOWN
        return {asset_id: scale.standard(ranked.score) for asset_id, ranked in self.scores.items()}


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
    standards = [part.standards for part in parts]
    summands = {asset_id: _summands(asset_id, parts, standards, whole) for asset_id in every}
    sums = {asset_id: sum(own.values()) for asset_id, own in summands.items()}
    order = sorted(every, key=lambda asset_id: (asset_id not in named, -sums[asset_id], asset_id))[:limit]
    return [
        Ranked(
            asset_id=asset_id,
            score=sums[asset_id],
            viewpoint_id=_viewpoint_id(asset_id, parts),
            parts=_told(asset_id, parts, standards, summands[asset_id]),
            is_named=asset_id in named,
        )
        for asset_id in order
    ]


def _summands(
    asset_id: str, parts: Sequence[Part], standards: Sequence[Mapping[str, float]], whole: AbstractSet[str]
) -> dict[str, float]:
    """What the score of an asset is the sum of: a weighted part, or what stands in for one that it lacks; words."""
    summands = {}
    lacking = []
    for part, own in zip(parts, standards, strict=True):
        standard = own.get(asset_id)
        if standard is None:
            lacking.append(part)
        else:
            summands[part.name] = part.weight * standard
    if lacking and summands:
        instead = max(
            OTHER_PART * min(1, part.weight / DOUBTFUL) * own[asset_id]
            for part, own in zip(parts, standards, strict=True)
            if asset_id in own
        )
        summands |= {f"{part.name}_instead": part.weight * instead for part in lacking}
    if asset_id in whole:
        summands["words"] = ALL_WORDS
    return summands


def _told(
    asset_id: str, parts: Sequence[Part], standards: Sequence[Mapping[str, float]], summands: Mapping[str, float]
) -> dict[str, float]:
    """What a score rests on: of each part the cosine, its standard score and its weight, and all other summands."""
    told = dict(summands)
    for part, own in zip(parts, standards, strict=True):
        if asset_id in own:
            told[part.name] = part.scores[asset_id].score
            told[f"{part.name}_standard"] = own[asset_id]
            told[f"{part.name}_weight"] = part.weight
    return told


def _viewpoint_id(asset_id: str, parts: Sequence[Part]) -> int | None:
    """The view that matched best, from the first part that says."""
    own = (part.scores[asset_id].viewpoint_id for part in parts if asset_id in part.scores)
    return next((viewpoint_id for viewpoint_id in own if viewpoint_id is not None), None)
