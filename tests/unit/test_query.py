"""What can be searched and what cannot."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from meshseek.errors import QueryError, UnknownPluginError
from meshseek.model import RELEVANCES
from meshseek.search.query import Query

PICTURE = Image.new("RGB", (2, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either a text or an image"),
        ({"text": "a", "image": PICTURE}, "give either a text or an image"),
        ({"text": ""}, "the query is empty; type some words"),
        ({"text": " \t\n　"}, "the query is empty; type some words"),
        ({"text": "a" * 1001}, "the query has 1001 characters; use at most 1000"),
        ({"text": "\x00"}, "the query is empty; type some words"),
        ({"text": "?!…"}, "the query has no English or Chinese words; type some in either language"),
        ({"text": "🪑"}, "the query has no English or Chinese words; type some in either language"),
        ({"text": "стул"}, "the query has no English or Chinese words; type some in either language"),
        ({"text": 'a "b" ' * 9}, "the query has 9 phrases in quotes; use at most 8"),
        ({"text": "「椅」" * 200}, "the query has 200 phrases in quotes; use at most 8"),
        (
            {"image": PICTURE, "target": "words"},
            "the target 'words' cannot be searched with a picture; choose one of: ",
        ),
        ({"text": "a", "top_k": 0}, "top_k is 0; choose 1 to 200"),
        ({"text": "a", "top_k": 201}, "top_k is 201; choose 1 to 200"),
        ({"text": "a", "offset": -1}, "offset is -1; pages reach from 0 to result 1000"),
        ({"text": "a", "offset": 991}, "offset is 991; pages reach from 0 to result 1000"),
        ({"text": "a", "filters": {"price": ["1"]}}, "cannot filter on 'price'; known fields: category"),
        ({"image": PICTURE, "top_k": 0}, "top_k is 0"),
        ({"text": "a", "min_relevance": "good"}, "min_relevance is 'good'; choose one of: strong, fair, weak"),
        ({"text": "a", "min_relevance": ""}, "min_relevance is ''; choose one of: strong, fair, weak"),
        ({"text": "a", "filters": {"tags": ["a\x00b"]}}, "a filter's value"),
    ],
)
def test_what_cannot_be_searched_says_why(arguments: dict[str, Any], message: str) -> None:
    """Each refusal is one line with its cure."""
    with pytest.raises(QueryError) as caught:
        Query(**arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "a" * 1000},
        {"text": "椅" * 1000},
        {"text": 'a "b" "!" ' * 8},
        {"text": "a", "top_k": 1},
        {"text": "a", "top_k": 200, "offset": 800},
        {"text": "a", "filters": {"category": ["x"], "tags": ["y"], "creator": [], "licence": ["z"]}},
        *({"text": "a", "min_relevance": relevance} for relevance in RELEVANCES),
        {"image": PICTURE},
    ],
)
def test_the_limits_themselves_are_allowed(arguments: dict[str, Any]) -> None:
    """The edges of every range can be searched."""
    Query(**arguments)


def test_an_unknown_target_is_told_at_once() -> None:
    """The message lists the targets there are."""
    with pytest.raises(UnknownPluginError, match="no mode 'colour'; choose one of: appearance, both, caption, words"):
        Query(text="a", target="colour")


def test_a_nul_character_is_a_blank() -> None:
    """No database takes one, neither in the text nor in a phrase of it."""
    query = Query(text='a\x00chair "red\x00oak"')

    assert query.text == 'a chair "red oak"'
    assert [condition.values for condition in query.conditions] == [("red oak",)]


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        ({"text": "a"}, "both"),
        ({"text": "椅子"}, "both"),
        ({"text": "a", "cross_modal": False}, "caption"),
        ({"text": "a", "cross_modal": True}, "appearance"),
        ({"image": PICTURE}, "appearance"),
        ({"image": PICTURE, "cross_modal": False}, "appearance"),
        ({"image": PICTURE, "cross_modal": True}, "caption"),
        ({"text": "a", "cross_modal": True, "target": "both"}, "both"),
        ({"image": PICTURE, "target": "caption"}, "caption"),
    ],
)
def test_the_mode_follows_from_the_kind_of_query(arguments: dict[str, Any], mode: str) -> None:
    """Words are compared with everything unless one kind is asked for, pictures with views; a target wins."""
    assert Query(**arguments).mode == mode


@pytest.mark.parametrize(
    ("arguments", "language"),
    [
        ({"text": "chair"}, "english"),
        ({"text": "椅子"}, "chinese"),
        ({"text": "chair", "language": "chinese"}, "chinese"),
        ({"text": "椅子", "language": "english"}, "english"),
        ({"image": PICTURE}, "english"),
    ],
)
def test_the_language_is_the_callers_or_told_by_the_script(arguments: dict[str, Any], language: str) -> None:
    """A forced language wins over detection."""
    assert Query(**arguments).resolved_language == language


@pytest.mark.parametrize(
    ("arguments", "diverse"),
    [
        ({"text": "a"}, True),
        ({"text": "a", "target": "words"}, True),
        ({"text": "a", "exact": True}, False),
        ({"text": "a", "exact": True, "diverse": True}, True),
        ({"text": "a", "diverse": False}, False),
        ({"image": PICTURE}, False),
        ({"image": PICTURE, "diverse": True}, True),
    ],
)
def test_neighbours_differ_where_that_suits(arguments: dict[str, Any], diverse: bool) -> None:  # noqa: FBT001
    """For words, unless the exact ranking is asked for; for pictures not; and as it is said where anything is."""
    assert Query(**arguments).is_diverse is diverse
