"""What every derived row is made from, in short: the one place that knows.

Views come from the model and the renderer, Chinese captions from the captions of the library, vectors from captions or
from the views that were chosen. A row whose fingerprint says something else than its asset is now is outdated.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import NamedTuple

from meshseek.model import LANGUAGES, Asset, AssetTexts, CaptionBasis, Language, ViewCount, ViewSet
from meshseek.viewpoints import evenly, views_fingerprint
from meshseek.workspace.tables import SOURCE_OF, Source

Captions = tuple[str, ...]
JOINT = "#"
"""Between the fingerprint of pictures and their viewpoints."""
EARLIER_VIEWS = 8
"""Pictures of an asset of G-Objaverse that were taken by a Meshseek whose joint vectors do not say what they are of."""


def caption_fingerprint(texts: AssetTexts, language: Language, basis: CaptionBasis) -> str:
    """What the caption vector of a language is made from, by what the embedder looks at."""
    used = texts.captions(language) if basis == "own_language" else (texts.name, texts.english, texts.chinese)
    return hashlib.sha256(repr(used).encode()).hexdigest()[:16]


def model_source(asset: Asset) -> str:
    """What an asset's views are rendered from; where the model has no fingerprint, anything about the asset."""
    return asset.model_fingerprint or asset.fingerprint


def render_fingerprint(asset: Asset, renderer: str) -> str:
    """What views are made from: the model, and the renderer with its options."""
    return f"{model_source(asset)}:{renderer}"


def is_rendered_from(fingerprint: str, asset: Asset) -> bool:
    """Whether views show the model that the asset has now."""
    return fingerprint.startswith(f"{model_source(asset)}:")


def version_of(fingerprint: str) -> str:
    """Names the files of something by what they are or were made from.

    A file never changes under its name: what is published goes on showing its own files until the next publication.
    """
    return "@" + hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


def caption_source(asset: Asset) -> str:
    """What an asset's Chinese captions are made from: all captions of its library."""
    text = repr((asset.captions_english, asset.captions_chinese))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def partly_translated(source: str, translated: int) -> str:
    """The fingerprint of an asset of whose captions only so many are translated: a translator tries it again."""
    return f"{source}-{translated}"


def is_translated_from(fingerprint: str, asset: Asset) -> bool:
    """Whether Chinese captions belong to the captions that the asset has now, all of them or some."""
    return fingerprint.partition("-")[0] == caption_source(asset)


def caption_sources(asset: Asset, basis: CaptionBasis) -> dict[Source, str]:
    """What an asset's caption vectors must have been made from, of each language that it has captions of.

    Args:
        asset: With its captions and, where ``basis`` says so, attributes.
        basis: What the caption vectors of the algorithm are made from, as its tables say.
    """
    texts = AssetTexts.of(asset)
    return {
        SOURCE_OF[language]: caption_fingerprint(texts, language, basis)
        for language in LANGUAGES
        if texts.captions(language)
    }


class HeldViews(NamedTuple):
    """What the vectors of an asset's views on disk say of themselves."""

    fingerprint: str
    viewpoints: tuple[int, ...] | None
    """None where one vector stands for several and does not say for which: an older Meshseek made it."""
    together: bool
    """Whether one vector stands for all of them."""
    shard: int
    """The number of the shard that they are in."""


class ShownViews(NamedTuple):
    """Which vectors of an asset's views are published."""

    fingerprint: str
    """Of the rows on disk."""
    viewpoints: tuple[int, ...] | None
    """None for the one that stands for several."""
    made_from: str
    """Changes when the vectors may be others."""


def joint_fingerprint(views: ViewSet, viewpoints: tuple[int, ...]) -> str:
    """What one vector of several views is made from: these pictures, and which they are."""
    return f"{views_fingerprint(views, viewpoints)}{JOINT}{','.join(map(str, viewpoints))}"


def joint_viewpoints(fingerprint: str) -> tuple[int, ...] | None:
    """The viewpoints that one vector stands for; None where it does not say."""
    numbers = re.search(rf"{JOINT}(\d+(?:,\d+)*)$", fingerprint, re.ASCII)
    return tuple(map(int, numbers[1].split(","))) if numbers else None


def is_current(held: HeldViews, views: ViewSet) -> bool:
    """Whether vectors were made from pictures that the asset still has, as they are now.

    The fingerprint is of all views that were embedded together, so where one of them changes all are outdated; those
    that were not embedded do not count. Some of those that had no stamps then were known by the fingerprint of all.
    """
    if held.viewpoints is None:
        few = evenly(views.viewpoint_ids, EARLIER_VIEWS)
        return held.fingerprint in {views.fingerprint, views_fingerprint(views, few)}
    if held.viewpoints != views.viewpoint_ids and not set(held.viewpoints) <= set(views.viewpoint_ids):
        return False
    make = joint_fingerprint if held.together else views_fingerprint
    if held.fingerprint == make(views, held.viewpoints):
        return True
    return held.fingerprint == make(replace(views, stamps=b""), held.viewpoints)


def lacks_views(held: HeldViews, views: ViewSet, count: ViewCount, together: int | None = None) -> bool:
    """Whether there are no vectors yet of some views that are to be embedded.

    Args:
        held: Vectors that are current.
        views: The asset's.
        count: How many are to be embedded.
        together: How many the model makes one vector of at most, if it does and that is known. A vector that does not
            say what it is of counts for as many; where that is not known, for those that are to be embedded.
    """
    chosen = evenly(views.viewpoint_ids, count)
    if held.viewpoints is None:
        return together is not None and len(chosen) != min(together, len(views.viewpoint_ids))
    return held.viewpoints != chosen if held.together else not set(chosen) <= set(held.viewpoints)


def shown_views(held: HeldViews, views: ViewSet, count: ViewCount | None) -> ShownViews:
    """Which of the vectors that are current are published: the chosen ones; until all of them are there, what is there.

    Args:
        held: Vectors that are current.
        views: The asset's.
        count: How many are to be embedded; None where nobody has said so since an older Meshseek embedded them.
    """
    if held.viewpoints is None:
        return ShownViews(held.fingerprint, None, views.fingerprint)
    if held.together:
        is_of_all = held.viewpoints == views.viewpoint_ids
        return ShownViews(held.fingerprint, None, views.fingerprint if is_of_all else held.fingerprint)
    shown = held.viewpoints
    if count is not None and not lacks_views(held, views, count):
        shown = evenly(views.viewpoint_ids, count)
    is_of_all = shown == views.viewpoint_ids
    return ShownViews(held.fingerprint, shown, views.fingerprint if is_of_all else joint_fingerprint(views, shown))
