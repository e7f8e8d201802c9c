"""What is meant by words: pairs of characters, phrases, ids."""

from __future__ import annotations

import pytest

from meshseek.language import bigrams, last_characters, without_han
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


@pytest.mark.parametrize(
    ("text", "expected"), [("红木椅", "椅"), ("椅", "椅"), ("红椅 and 桌", "椅 桌"), ("chair", "")]
)
def test_last_characters(text: str, expected: str) -> None:
    """What no pair begins with, of each run of Han characters."""
    assert last_characters(text) == expected


def test_what_is_not_chinese_stays() -> None:
    """Han characters and signs beyond ASCII become blanks; letters of any script are words."""
    assert without_han("red 椅子chair").split() == ["red", "chair"]
    assert without_han("“椅子”，café 🪑 ½ стул's").split() == ["café", "½", "стул's"]


@pytest.mark.parametrize(
    ("text", "found", "rest"),
    [
        ('a "red chair" here', ["red chair"], "a red chair here"),
        ("“红木” 椅子", ["红木"], "红木 椅子"),
        ('12" shelf', [], '12" shelf'),
        ('""', [], '""'),
        ('table 30" x 60" oak', [], 'table 30" x 60" oak'),
        ('30" wide "red chair", oak', ["red chair"], '30" wide red chair , oak'),
        ('"red chair"', ["red chair"], "red chair"),
        ('say"red chair"now', [], 'say"red chair"now'),
        ("一把“红木”椅「子」", ["红木", "子"], "一把 红木 椅 子"),
        ('chair "!!!" “…” 「，」', [], "chair !!! … ，"),
        ('红色的"椅子"', ["椅子"], "红色的 椅子"),
        ('("oak table")', ["oak table"], "( oak table )"),
        ('24"x36" shelf', [], '24"x36" shelf'),
        ("plain", [], "plain"),
    ],
)
def test_quoted_phrases(text: str, found: list[str], rest: str) -> None:
    """Each is a condition, but for inches and punctuation; what is compared by its meaning has no quotes."""
    assert [condition.values[0] for condition in phrases(text)] == found
    assert without_quotes(text) == rest


@pytest.mark.parametrize(
    ("text", "expected"),
    [("toys/003", True), ("a1", True), ("living room/oak table", True), ("chair", False), ("a b1", False)],
)
def test_what_may_be_an_id(text: str, expected: bool) -> None:  # noqa: FBT001
    """One word with a digit or a separator, or a path; others are not looked up."""
    assert may_be_id(text) is expected
