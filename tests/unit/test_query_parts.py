"""Queries in parts: what they come to, and what cannot be searched."""

from __future__ import annotations

from typing import Any

import pytest
from click import BadParameter
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from meshseek.errors import QueryError
from meshseek.interfaces.cli.parts import WeightedPart, asked_for
from meshseek.search.combining import together
from meshseek.search.parts import QueryPart
from meshseek.search.query import Query
from meshseek.search.sizes import Size

PICTURE = Image.new("RGB", (2, 2))


def part(text: str, weight: float = 1.0) -> QueryPart:
    """A part of words."""
    return QueryPart(text=text, weight=weight)


def split(*parts: QueryPart, **options: Any) -> dict[str | None, float]:
    """What each text counts."""
    return {share.query.text: share.weight for share in Query(parts=parts, **options).split}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([{"text": "a"}] * 9, "the query has 9 parts; use at most 8"),
        ([{"image": PICTURE}] * 5, "the query has 5 pictures; use at most 4"),
        ([{"text": "a"}, {"text": " A ", "weight": -1}], "'a' is both wanted and not wanted; give it one weight"),
        ([{"image": PICTURE}, {"image": PICTURE.copy(), "weight": -2}], "a picture is both wanted and not wanted"),
        ([{"asset_id": "x"}, {"asset_id": "x", "weight": -2}], "'x' is both wanted and not wanted; give it one"),
        (
            [{"text": "a", "weight": 0}],
            "every part has the weight 0, so nothing is asked; give one of them a weight above",
        ),
        (
            [{"text": "a", "weight": -1}, {"text": "b", "weight": -2}],
            "nothing is wanted, for all weights are below 0; add",
        ),
        ([{"text": "a", "weight": float("nan")}], "the weight of 'a' is nan; choose -100 to 100"),
        ([{"text": "a", "weight": float("inf")}], "the weight of 'a' is inf; choose -100 to 100"),
        ([{"image": PICTURE, "weight": -101}], "the weight of a picture is -101; choose -100 to 100"),
        ([{}], "a part of the query must be one of: a text, a picture, the id of an asset"),
        ([{"text": "a", "asset_id": "b"}], "a part of the query must be one of: a text, a picture, the id of an asset"),
        ([{"text": "a"}, {"text": " "}], "the query is empty; type some words"),
        ([{"text": "a"}, {"text": "b" * 1001}], "the query has 1001 characters; use at most 1000"),
        ([{"text": 'a "b" ' * 5}, {"text": 'c "d" ' * 5}], "the query has 10 phrases in quotes; use at most 8"),
        ([{"text": "a"}, {"text": 'b "c"', "weight": -1}], "'b \"c\"' is not wanted and holds a phrase in quotes"),
        ([{"text": "a"}, {"text": "b size~1x1x1", "weight": -1}], "'b size~1x1x1' is not wanted and holds a size"),
        ([{"text": "a size~1x1x1"}, {"text": "b size~2x2x2"}], "the query has two sizes; leave out one of them"),
    ],
)
def test_what_cannot_be_searched_says_why(parts: list[dict[str, Any]], message: str) -> None:
    """Each refusal is one line with its cure."""
    with pytest.raises(QueryError) as caught:
        Query(parts=[QueryPart(**each) for each in parts])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_parts_beside_a_text_or_with_a_mode_that_takes_no_pictures() -> None:
    """A query is one thing or parts, and each part is checked like a query of its own."""
    with pytest.raises(QueryError, match="give either a text or an image, or the id of an asset, or several"):
        Query(text="a", parts=[part("b")])
    with pytest.raises(QueryError, match="the target 'words' cannot be searched with a picture"):
        Query(parts=[part("a"), QueryPart(image=PICTURE)], target="words")


def test_what_parts_count() -> None:
    """Wanted parts add up to one, whatever all are multiplied with; what is asked twice counts twice; 0 is nothing."""
    assert split(part("a", 3), part("b"), part("c", -2)) == {"a": 0.75, "b": 0.25, "c": -0.5}
    assert split(part("c", -0.2), part("b", 0.1), part("a", 0.3)) == {"a": 0.75, "b": 0.25, "c": -0.5}
    assert split(part("a"), part("b"), part("a"), part("d", 0)) == pytest.approx({"a": 2 / 3, "b": 1 / 3})


@pytest.mark.parametrize(
    ("chair", "wood", "counts"), [(0.5, -100, -100), (0.5, -50, -100), (1e-320, -100, -100), (1e-320, 1, None)]
)
def test_what_is_not_wanted_counts_a_hundred_times_as_much_at_most(
    chair: float, wood: float, counts: float | None
) -> None:
    """However little is wanted, for any weight within its bounds may stand beside any other."""
    shares = split(part("chair", chair), part("wood", wood))

    assert shares == ({"chair": 1.0, "wood": counts} if counts else {"wood": 1.0})


def test_phrases_and_sizes_are_of_the_whole() -> None:
    """Every result has all phrases, and the size that any text names; one beside the parts comes first."""
    query = Query(parts=[part('a "red chair"'), part('size~1x2x3 b "oak"')])

    assert [condition.values for condition in query.conditions] == [("red chair",), ("oak",)]
    assert query.size == Size(width=1, depth=2, height=3)
    assert Query(parts=query.parts, size=Size(width=9)).size == Size(width=9)


def test_one_part_is_a_plain_query() -> None:
    """Of any weight above 0, with all of its options."""
    query = Query(parts=[part("a size~1x2x3", 7), part("b", 0)], top_k=3, target="caption")

    assert query.plain == Query(text="a", size=Size(width=1, depth=2, height=3), top_k=3, target="caption")
    assert Query(parts=[part("a"), part("b")]).plain.split


def test_the_mode_is_told_of_all_parts() -> None:
    """The one of all of them, or both; varied are the results of a query in which words are wanted."""
    assert Query(parts=[part("a"), part("椅子")]).mode == "both"
    assert Query(parts=[part("a"), QueryPart(image=PICTURE)], cross_modal=True).mode == "both"
    assert [share.query.mode for share in Query(parts=[part("a"), QueryPart(image=PICTURE)]).split] == ["both", "both"]
    assert Query(parts=[QueryPart(image=PICTURE), part("a", 0)]).mode == "appearance"
    assert Query(parts=[part("a"), QueryPart(image=PICTURE)], target="caption").mode == "caption"
    assert Query(parts=[QueryPart(image=PICTURE), part("a", -1)]).is_diverse is False
    assert Query(parts=[QueryPart(image=PICTURE), part("a", 0.1)]).is_diverse is True


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("0.5:blue", ("text", "blue", 0.5)),
        ("-1:made of: wood", ("text", "made of: wood", -1.0)),
        ("2:image:a:b.png", ("image", "a:b.png", 2.0)),
        ("1:like:pack/chair", ("like", "pack/chair", 1.0)),
        (".5:like a cloud", ("text", "like a cloud", 0.5)),
    ],
)
def test_a_part_as_it_is_typed(typed: str, meant: tuple[str, str, float]) -> None:
    """Its weight, then words, a picture's file or an asset's id."""
    assert WeightedPart().convert(typed, None, None) == meant


@pytest.mark.parametrize("typed", ["blue", "", ":blue", "much:blue"])
def test_a_part_without_a_weight(typed: str) -> None:
    """It is told how to write one."""
    with pytest.raises(BadParameter, match=r"does not begin with a weight; write WEIGHT:TEXT, as in 0\.5:blue"):
        WeightedPart().convert(typed, None, None)


def test_one_thing_that_is_typed_is_no_part() -> None:
    """What counts fully and alone is asked as it always was; nothing typed is left to the query to refuse."""
    assert asked_for([("text", "a", 1.0)]) == {"text": "a"}
    assert asked_for([("like", "a", 1.0)]) == {"asset_id": "a"}
    assert asked_for([("text", "a", 1.0), ("text", "b", -1.0)]) == {"parts": [part("a"), part("b", -1)]}
    assert asked_for([]) == {"parts": []}


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(-20, 20)), min_size=1, max_size=5))
def test_what_several_parts_want_lies_between(drawn: list[tuple[float, float]]) -> None:
    """Between the lowest and the highest standard score; what fits both beats what fits one as much better."""
    total = sum(weight for weight, _ in drawn)
    wanted = [(weight / total, score) for weight, score in drawn]
    scores = [score for _, score in wanted]

    assert min(scores) - 1e-6 <= together(wanted) <= max(scores) + 1e-6
    assert together([(0.5, 3.0), (0.5, 3.0)]) > together([(0.5, 6.0), (0.5, 0.0)])
    assert together([(0.5, -1e9), (0.5, 3.0)]) > -40
