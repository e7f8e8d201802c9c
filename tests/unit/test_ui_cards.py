"""The pieces of HTML on the page: tiles, the line above the results, details and reasons."""

from __future__ import annotations

import pytest

from meshseek.interfaces.ui import cards
from meshseek.interfaces.ui.answers import Answer, Explanation, Result, TextShare
from meshseek.interfaces.ui.explanation import figure, why

EVIL = "<script>alert(1)</script>"


def test_details_escape_what_a_library_says() -> None:
    """A caption or an attribute cannot bring markup of its own."""
    attributes = {"creator": EVIL, "tags": [EVIL], "licence": EVIL, "category": EVIL, "faces": EVIL}
    result = Result(asset_id=EVIL, score=1, caption_en=EVIL, caption_zh=EVIL, attributes=attributes)

    assert "<script" not in cards.details(result, "", trouble=EVIL)


def test_caption_follows_the_language_of_the_query() -> None:
    """A Chinese query shows Chinese captions where there are any."""
    both = Result(asset_id="a", score=1, caption_en="chair", caption_zh="椅子")

    assert cards.title(both) == "chair"
    assert cards.title(both, chinese=True) == "椅子"
    assert cards.title(Result(asset_id="a", score=1)) == "a"


@pytest.mark.parametrize(
    ("relevance", "words"), [("strong", "Fits well"), ("fair", "May fit"), ("weak", "Far off")], ids=str
)
def test_relevance_stands_on_the_tile_and_in_the_details(relevance: str, words: str) -> None:
    """How well a result fits is said in words, and its score is not."""
    result = Result(asset_id="a", score=0.71, relevance=relevance, attributes={"category": "Kitchen"})

    assert cards.tile_caption(result, chinese=False) == f"{words} · Kitchen\na"
    details = cards.details(result, "")
    assert words in details
    assert "0.71" not in details


def test_older_api_leaves_the_score_on_the_tile() -> None:
    """Where relevance is not told, or in a word that is not known here, the score is all there is."""
    for relevance in (None, EVIL):
        result = Result(asset_id="a", score=0.71, relevance=relevance)
        assert cards.tile_caption(result, chinese=False) == "0.71\na"
        assert "Relevance" not in cards.details(result, "")


def test_long_category_is_cut_on_the_tile() -> None:
    """Relevance and category share one line; the former is never cut."""
    result = Result(asset_id="a", score=1, relevance="strong", attributes={"category": "Doors and windows"})

    first = cards.tile_caption(result, chinese=False).splitlines()[0]
    assert first == "Fits well · Doors and wi…"
    assert len(first) == cards.LINE


def test_summary_says_where_nothing_is_close() -> None:
    """The nearest are shown all the same, and counted."""
    result = Result(asset_id="a", score=1, relevance="weak")
    answer = Answer(results=(result,), algorithm="lite", target="both", query_type="english", nothing_close=True)

    said = cards.summary(answer, 1)
    assert "Probably nothing here is like this" in said
    assert "1 result" in said
    assert "Probably" not in cards.summary(answer.model_copy(update={"nothing_close": False}), 1)


@pytest.mark.parametrize(
    ("target", "query_type", "crossing", "words"),
    [
        ("both", "english", False, "captions, appearance and exact words<"),
        ("both", "image", False, "captions and appearance<"),
        ("appearance", "chinese", True, "appearance, cross-modal<"),
        ("caption", "image", True, "captions, cross-modal<"),
        ("words", "english", False, "exact words<"),
        ("sketch", "english", False, "sketch<"),
    ],
)
def test_summary_says_what_was_compared(target: str, query_type: str, crossing: bool, words: str) -> None:  # noqa: FBT001
    """Whatever the target is called by the API, people read what the results rest on."""
    result = Result(asset_id="a", score=1)
    answer = Answer(results=(result,), algorithm="lite", target=target, query_type=query_type, cross_modal=crossing)

    assert f"compared with {words}" in cards.summary(answer, 1)


def test_summary_shows_what_the_api_has_to_say() -> None:
    """Who has put the results in order, and a note; neither brings markup of its own."""
    result = Result(asset_id="a", score=1)
    answer = Answer(results=(result,), algorithm="lite", target="both", reranked_by="qwen_reranker", note=EVIL)

    said = cards.summary(answer, 1)
    assert "put in order by qwen_reranker" in said
    assert "alert(1)" in said
    assert "<script" not in said


def test_reasons_are_figures_with_words() -> None:
    """Each part stands in one line with its figures: likeness, how far from chance, how far it counts."""
    parts = {
        "caption": 0.714,
        "caption_standard": 3.62,
        "caption_weight": 1.0,
        "appearance": 0.21,
        "appearance_standard": -0.44,
        "appearance_weight": 0.143,
        "words": 1.0,
        "wished_size": -0.052,
    }

    said = why(Explanation(parts=parts), 4.56)
    assert "<dt>Captions</dt><dd>0.71, 3.6 deviations above chance</dd>" in said
    assert "<dt>Appearance</dt><dd>0.21, 0.4 deviations below chance, counts for 14%</dd>" in said
    assert "<dt>Exact words</dt><dd>holds all words of the query, 1.00</dd>" in said
    assert "<dt>Wished size</dt><dd>−0.052</dd>" in said
    assert "<dt>Score</dt><dd>4.56</dd>" in said
    assert said.count("<dt>") == 5


def test_reasons_name_the_texts_of_the_caption() -> None:
    """The first few of them, with their share of the likeness; long ones are cut."""
    texts = [TextShare(text=f"text {number} {'x' * 200}", gave=0.5 - number / 100) for number in range(9)]

    said = why(Explanation(parts={"caption": 0.7}, texts=tuple(texts)), 0.7)
    assert "text 0 x" in said
    assert "text 5" not in said
    assert "x" * 80 not in said
    assert "x…" in said


def test_reasons_escape_what_the_api_says() -> None:
    """Neither a part nor a text brings markup of its own."""
    explanation = Explanation(parts={EVIL: 1.0}, texts=(TextShare(text=EVIL, gave=0.1),))

    assert "<script" not in why(explanation, 1.0, silence=EVIL)


def test_reasons_of_a_named_asset() -> None:
    """An asset that was asked for by its id rests on no figures."""
    assert "its id is what you searched for" in why(Explanation(), 1.0)


def test_reasons_that_are_not_told() -> None:
    """The score stands alone then, with why nothing stands beside it."""
    assert "does not tell" in why(None, 0.5, "The search service does not tell.")
    assert "Score" in why(None, 0.5)
    assert "its id" not in why(None, 0.5)


@pytest.mark.parametrize(("value", "said"), [(0.714, "0.71"), (0.0331, "0.033"), (-1.25, "−1.25"), (0, "0.000")])
def test_figures_have_digits_that_say_something(value: float, said: str) -> None:
    """Small numbers have one digit more."""
    assert figure(value) == said


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        (
            {"size": {"width": 0.6, "depth": 0.055, "height": 2, "unit": "m", "certainty": "stated"}},
            "60 × 5.5 × 200 cm",
        ),
        (
            {"size": {"width": 0.6, "depth": 0.5, "height": 2, "unit": "m", "certainty": "likely"}},
            "60 × 50 × 200 cm, likely",
        ),
        (
            {"size": {"width": 45, "depth": 0.12345, "height": 90, "unit": None, "certainty": "unknown"}},
            "45 × 0.123 × 90, in an unknown unit",
        ),
        ({"dimensions_cm": [60, 5.5, 200]}, "60 × 5.5 × 200 cm"),
        ({"size": {"width": "<b>", "depth": None, "height": 90, "unit": None, "certainty": "unknown"}}, ""),
        ({"size": None}, ""),
        ({"dimensions_cm": "<b>"}, ""),
        ({}, ""),
    ],
)
def test_a_size_says_how_sure_it_is(attributes: dict[str, object], shown: str) -> None:
    """As libraries of this Meshseek and of an older one have it; what is none is not shown."""
    assert cards.size(attributes) == shown
