"""Learns from a library itself how its scores are to be read, when it is published."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from meshseek.model import LANGUAGES, Language, Ranked
from meshseek.relevance import SAME, Thresholds, caption_closeness, learn, trust_in
from meshseek.store.read.background import FEWEST, LEAST_DEVIATION, Background, Scale
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import CAPTION_COLUMNS, Breadth, Published, QueryType, Target
from meshseek.store.write.description import Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS = 120
"""Names of things that are asked for, in each language, of those that stand in the library's texts."""
BEST = Request(limit=1, breadth=Breadth(100, 100))
"""The best asset alone is wanted, so fewer are looked at than for a page."""
NEAREST = Request(limit=20, breadth=BEST.breadth)
"""Enough to find one that is no copy."""
PICTURES = 40
"""Views that are asked for as if they were pictures of a user; as many words are compared with views."""


def calibrate(library: Library, published: Published) -> Calibration:
    """Ask the library for what is known to be in it.

    Args:
        library: Is searched as users will.
        published: Its version.

    Raises:
        DatabaseError: It cannot be asked.
    """
    background = library.background(published)
    found = captions_find_views(background)
    learnt: dict[tuple[Target, QueryType], Thresholds | None] = {
        **_with_words(library, published, background),
        **_with_pictures(library, published, background),
    }
    thresholds = {key: each for key, each in learnt.items() if each is not None}
    if found is None:
        return Calibration(thresholds=thresholds)
    return Calibration(trust=trust_in(found), found=found, thresholds=thresholds)


def captions_find_views(background: Background) -> float | None:
    """Mean reciprocal rank of assets' own views among those of the background, asked for by their captions.

    None where fewer than eight assets have both.
    """
    places = {asset_id: place for place, asset_id in enumerate(background.view_ids)}
    rows = [row for row, asset_id in enumerate(background.caption_ids) if asset_id in places]
    if len(rows) < FEWEST:
        return None
    scores = background.best_views(background.captions[CAPTION_COLUMNS["english"][0]][rows])
    own = scores[np.arange(len(rows)), [places[background.caption_ids[row]] for row in rows]]
    # Equal ones share their places: a library of copies finds none of them.
    ranks = (scores > own[:, None]).sum(axis=1) + ((scores == own[:, None]).sum(axis=1) + 1) / 2
    return float((1 / ranks).mean())


def _with_words(
    library: Library, published: Published, background: Background
) -> dict[tuple[Target, QueryType], Thresholds | None]:
    """What names of things give, in each language, that stand in the library's texts."""
    here = library.words_here(background.words)
    learnt: dict[tuple[Target, QueryType], Thresholds | None] = {}
    for language in LANGUAGES:
        pool = _spread([word for word in sorted(here) if background.languages[word] == language])
        learnt["caption", language] = learn(_caption_closeness(library, published, background, pool, language))
        learnt["appearance", language] = learn(
            _view_closeness(library, published, background, [background.word(word) for word in _spread(pool, PICTURES)])
        )
    return learnt


def _caption_closeness(
    library: Library, published: Published, background: Background, words: Sequence[int], language: Language
) -> list[float]:
    """Of the asset that fits each word best by its caption."""
    closeness: list[float] = []
    for word in words:
        vector = background.word(word)
        nearest = background.nearest_word(vector) or 0.0
        ranking = library.nearest_captions(published, vector, CAPTION_COLUMNS[language], BEST)
        closeness += [caption_closeness(best.score, nearest) for best in ranking]
    return closeness


def _view_closeness(
    library: Library, published: Published, background: Background, vectors: Sequence[NDArray[np.float32]]
) -> list[float]:
    """Of the asset that fits each query best by its views."""
    tops = [(background.view_scale(each), library.nearest_views(published, each, BEST)) for each in vectors]
    return list(_standards(tops))


def _with_pictures(
    library: Library, published: Published, background: Background
) -> dict[tuple[Target, QueryType], Thresholds | None]:
    """What views give if their own asset and its copies are not there: as pictures of other things of their kind do.

    A vector of all views together says nothing of what one picture gives, so nothing is learnt from such.
    """
    views, captions = [], []
    for place in _spread(range(len(background.view_ids)), PICTURES) if background.has_single_views else ():
        vector = background.views[background.starts[place]]
        nearest = library.nearest_views(published, vector, NEAREST)
        same = {background.view_ids[place], *(ranked.asset_id for ranked in nearest if ranked.score >= SAME)}
        views.append((background.view_scale(vector), _without(nearest, same)))
        named = library.nearest_captions(published, vector, CAPTION_COLUMNS["english"], NEAREST)
        captions.append((background.caption_scale(CAPTION_COLUMNS["english"][0], vector), _without(named, same)))
    return {
        ("appearance", "image"): learn(list(_standards(views))),
        ("caption", "image"): learn(list(_standards(captions))),
    }


def _without(ranking: Sequence[Ranked], asset_ids: Container[str]) -> list[Ranked]:
    return [ranked for ranked in ranking if ranked.asset_id not in asset_ids]


def _standards(tops: Sequence[tuple[Scale | None, Sequence[Ranked]]]) -> Iterator[float]:
    """Of the first of each ranking; where all assets are alike to a query, nothing stands out and nothing is said."""
    for scale, ranking in tops:
        if scale is not None and scale.deviation > LEAST_DEVIATION and ranking:
            yield scale.standard(ranking[0].score)


def _spread(numbers: Sequence[int], count: int = WORDS) -> list[int]:
    """So many of them, at equal distances."""
    step = max(1, -(-len(numbers) // count))
    return list(numbers[::step])
