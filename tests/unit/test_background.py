"""What a query usually gives, and what its results are told to be worth beside that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from meshseek.model import Ranked, Space
from meshseek.pipeline.calibrate import captions_find_views
from meshseek.relevance import Thresholds, caption_closeness
from meshseek.search.judging import TRUSTED, Judge
from meshseek.search.modes import Page
from meshseek.search.question import Question
from meshseek.store.postgres import Server
from meshseek.store.read.background import FEWEST, LEAST_DEVIATION, Background, Scale, scale_of
from meshseek.store.read.library import Library
from meshseek.store.read.published import Published, QueryType, Target

DIM = 16
ASSETS = 20
VIEWS = (1, 3, 2, 2)
"""How many views each asset has, again and again."""
SPACE = Space(embedder="made", model="up", revision="1", dim=DIM, preprocessing="none")
ALL = Thresholds(fair=0.0, strong=1.0, queries=20)


def unit_vectors(count: int, seed: int) -> NDArray[np.float32]:
    """Anywhere."""
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    made: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return made


def background_of(count: int = ASSETS, *, words: int = 5) -> Background:
    """Of so many assets, whose views are not their captions."""
    counts = [VIEWS[number % len(VIEWS)] for number in range(count)]
    names = [f"{number:02d}" for number in range(count)]
    return Background(
        dim=DIM,
        caption_ids=names,
        captions={"english_embedding": unit_vectors(count, 1), "chinese_embedding": unit_vectors(count, 2)},
        view_ids=names,
        views=unit_vectors(sum(counts), 3),
        starts=np.cumsum([0, *counts])[:count].astype(np.intp),
        has_single_views=True,
        words=[f"word {number}" for number in range(words)],
        languages=["english"] * words,
        world=unit_vectors(words, 4),
    )


def test_a_standard_score_says_how_far_a_cosine_stands_out() -> None:
    """In deviations of the cosines that the query gives."""
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4], dtype=np.float32)
    scale = scale_of(scores)
    assert scale is not None
    assert (scale.mean, scale.deviation) == pytest.approx((0.25, np.sqrt(0.0125)))
    assert scale.standard(0.25) == pytest.approx(0)
    assert scale.standard(0.25 + 2 * np.sqrt(0.0125)) == pytest.approx(2)


def test_of_few_assets_nothing_is_usual() -> None:
    """Fewer than eight have no scale, none have none; where all are equal the rounding is no deviation."""
    assert scale_of(np.ones(FEWEST - 1, dtype=np.float32)) is None
    assert scale_of(np.ones(FEWEST, dtype=np.float32)) == Scale(1.0, LEAST_DEVIATION)
    vector = unit_vectors(1, 9)[0]
    for count in (0, FEWEST - 1):
        few = background_of(count, words=0)
        assert few.caption_scale("english_embedding", vector) is None
        assert few.view_scale(vector) is None
        assert few.nearest_word(vector) is None


def test_scales_are_those_of_the_cosines() -> None:
    """Captions by the language that is compared, views by the best of each asset, however many it has; words."""
    background, vector = background_of(), unit_vectors(1, 9)[0]
    for column, captions in background.captions.items():
        cosines = [float(caption @ vector) for caption in captions]
        scale = background.caption_scale(column, vector)
        assert scale is not None
        assert (scale.mean, scale.deviation) == pytest.approx((np.mean(cosines), np.std(cosines)), abs=1e-5)

    best, start = [], 0
    for number in range(ASSETS):
        count = VIEWS[number % len(VIEWS)]
        best.append(max(float(view @ vector) for view in background.views[start : start + count]))
        start += count
    assert start == len(background.views)
    assert background.best_views(np.stack([vector, -vector]))[0] == pytest.approx(best, abs=1e-5)
    scale = background.view_scale(vector)
    assert scale is not None
    assert (scale.mean, scale.deviation) == pytest.approx((np.mean(best), np.std(best)), abs=1e-5)
    assert background.nearest_word(vector) == pytest.approx(max(float(word @ vector) for word in background.world))


def with_views(places: Sequence[int]) -> Background:
    """Assets whose captions are the views of the assets at some places."""
    base = background_of()
    captions = {name: base.views[base.starts[list(places)]] for name in base.captions}
    return Background(
        dim=DIM,
        caption_ids=base.caption_ids,
        captions=captions,
        view_ids=base.view_ids,
        views=base.views,
        starts=base.starts,
        has_single_views=True,
        words=[],
        languages=[],
        world=base.world[:0],
    )


def test_captions_that_find_their_own_views_are_trusted() -> None:
    """The mean reciprocal rank is one where each finds its own, much less where each finds another's; else unknown."""
    own = list(range(ASSETS))
    assert captions_find_views(with_views(own)) == pytest.approx(1)
    others = captions_find_views(with_views([*own[1:], 0]))
    assert others is not None
    assert others < 0.51
    half = captions_find_views(with_views([*own[: ASSETS // 2], *own[ASSETS // 2 + 1 :], ASSETS // 2]))
    assert half is not None
    assert others < half < 1
    assert captions_find_views(background_of(FEWEST - 1)) is None
    assert captions_find_views(background_of(0)) is None


def judged(
    thresholds: Mapping[tuple[Target, QueryType], Thresholds],
    *,
    query_type: QueryType = "english",
    trust: float = 0.0,
    words: int = 5,
    assets: int = ASSETS,
) -> tuple[Judge, Background, NDArray[np.float32]]:
    """A judge of one question, with the background that it looks at and the question's vector."""
    published = Published(
        space=SPACE,
        index_kind="exact",
        assets=ASSETS,
        english_captions=ASSETS,
        chinese_captions=0,
        views=ASSETS,
        content="made",
        published_at=datetime.now(UTC),
        thresholds=thresholds,
        trust=trust,
    )
    library = Library(Server(lambda: "host=nowhere"), "made")
    background, vector = background_of(assets, words=words), unit_vectors(1, 9)[0]
    library._background = (published.content, background)
    return Judge(library, Question.of(published, vector, query_type)), background, vector


def ranked(**parts: float) -> Ranked:
    """A result of which only the parts matter."""
    return Ranked(asset_id="a", score=1.0, parts=parts)


def test_words_are_judged_beside_the_nearest_word() -> None:
    """A cosine with a caption fits from where its closeness, less the nearest word's, is that of the thresholds."""
    judge, background, vector = judged({("caption", "english"): ALL})
    nearest = background.nearest_word(vector)
    assert nearest is not None
    for cosine in (-0.9, -0.2, 0.0, 0.1, 0.2, 0.4, 0.9):
        assert judge.relevance(ranked(caption=cosine)) == ALL.relevance(caption_closeness(cosine, nearest))


def test_without_words_standard_scores_are_judged() -> None:
    """Of captions where no world is known, of captions by a picture, and of views."""
    for target, query_type, words in (
        ("caption", "english", 0),
        ("caption", "chinese", 0),
        ("caption", "image", 5),
        ("appearance", "image", 5),
        ("appearance", "english", 5),
    ):
        thresholds = {(target, query_type): ALL}
        judge, background, vector = judged(thresholds, query_type=query_type, words=words, trust=1.0)  # type: ignore[arg-type]
        column = "chinese_embedding" if query_type == "chinese" else "english_embedding"
        scale = background.caption_scale(column, vector) if target == "caption" else background.view_scale(vector)
        assert scale is not None
        for standard, relevance in ((-0.1, "weak"), (0.1, "fair"), (0.9, "fair"), (1.1, "strong")):
            cosine = scale.mean + standard * scale.deviation
            assert judge.relevance(ranked(**{target: cosine})) == relevance, (target, query_type, standard)


def test_the_querys_own_kind_is_believed() -> None:
    """The other kind of vector counts where captions find their views; then the better of both says it."""
    thresholds: dict[tuple[Target, QueryType], Thresholds] = {
        ("caption", "english"): ALL,
        ("appearance", "english"): ALL,
        ("caption", "image"): ALL,
        ("appearance", "image"): ALL,
    }
    for query_type, good, bad in (("english", "caption", "appearance"), ("image", "appearance", "caption")):
        for trust, weak in ((TRUSTED - 0.01, "weak"), (TRUSTED, "strong")):
            judge, *_ = judged(thresholds, query_type=query_type, trust=trust)  # type: ignore[arg-type]
            assert judge.relevance(ranked(**{good: 1.0, bad: -1.0})) == "strong"
            assert judge.relevance(ranked(**{good: -1.0, bad: 1.0})) == weak
            assert judge.relevance(ranked(**{bad: 1.0})) == {"weak": "fair", "strong": "strong"}[weak]
            assert judge.relevance(ranked(**{bad: -1.0})) == "weak"


def test_words_that_stand_there_always_fit() -> None:
    """All words of the query, and an asset that it names, whatever the vectors say."""
    judge, *_ = judged({("caption", "english"): ALL})
    assert judge.relevance(ranked(caption=-1.0)) == "weak"
    assert judge.relevance(ranked(caption=-1.0, words=1.0)) == "strong"
    named = Ranked(asset_id="a", score=0.0, parts={"caption": -1.0}, is_named=True)
    assert judge.relevance(named) == "strong"


def test_where_nothing_was_learnt_everything_fits_fairly() -> None:
    """Without thresholds, with too few assets for a scale, and without any part."""
    assert judged({})[0].relevance(ranked(caption=-1.0)) == "fair"
    few, *_ = judged({("appearance", "english"): ALL}, assets=FEWEST - 1)
    assert few.relevance(ranked(appearance=-1.0)) == "fair"
    assert judged({("caption", "english"): ALL})[0].relevance(ranked()) == "fair"


def test_nothing_is_close_where_all_of_the_best_are_weak() -> None:
    """The first of the whole ranking tell it, not the page; an empty ranking tells nothing."""
    judge, *_ = judged({("caption", "english"): ALL})
    weak, strong = ranked(caption=-1.0), ranked(caption=1.0)
    assert judge.nothing_close(Page.of([weak, weak]))
    assert not judge.nothing_close(Page.of([weak, strong]))
    assert not judge.nothing_close(Page([weak], {}, [strong, weak]))
    assert judge.nothing_close(Page([], {}, [weak]))
    assert not judge.nothing_close(Page.of([]))
    noise = ranked(appearance=1.0)
    assert judge.nothing_close(Page.of([noise, weak]))
