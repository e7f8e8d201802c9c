"""What is meant by words: pairs of characters, phrases, ids."""

from __future__ import annotations

import pytest

from meshseek.language import bigrams, without_han
from meshseek.search.phrases import may_be_id, phrases, without_quotes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("红木椅子", "红木 木椅 椅子"),
        ("椅", "椅"),
        ("红椅 and 桌", "红椅 桌"),
        ("chair", ""),
        ("", ""),
    ],
)
def test_pairs_of_characters(text: str, expected: str) -> None:
    """Neighbours within a run of Han characters, never across other letters."""
    assert bigrams(text) == expected


def test_what_is_not_chinese_stays() -> None:
    """Han characters become blanks."""
    assert without_han("red 椅子chair").split() == ["red", "chair"]


@pytest.mark.parametrize(
    ("text", "found", "rest"),
    [
        ('a "red chair" here', ["red chair"], "a red chair here"),
        ("“红木” 椅子", ["红木"], "红木 椅子"),
        ('12" shelf', [], '12" shelf'),
        ('""', [], '""'),
        ("plain", [], "plain"),
    ],
)
def test_quoted_phrases(text: str, found: list[str], rest: str) -> None:
    """Each is a condition; what is compared by its meaning has no quotes."""
    assert [condition.values[0] for condition in phrases(text)] == found
    assert without_quotes(text) == rest


@pytest.mark.parametrize(("text", "expected"), [("toys/003", True), ("a1", True), ("chair", False), ("a b1", False)])
def test_what_may_be_an_id(text: str, expected: bool) -> None:  # noqa: FBT001
    """One word with a digit or a separator; others are not looked up."""
    assert may_be_id(text) is expected
