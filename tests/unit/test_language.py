"""The language of a text by its script."""

from __future__ import annotations

import pytest

from meshseek.language import detect_language, is_searchable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chair", "english"),
        ("沙发", "chinese"),
        ("臺燈", "chinese"),
        ("IKEA 沙发 2024", "chinese"),
        ("a chair called 椅", "chinese"),
        ("𠀋", "chinese"),  # beyond the basic plane
        ("いす", "english"),
        ("木の椅子", "english"),  # kana: Japanese
        ("ｿﾌｧ 椅子", "english"),  # half-width kana
        ("나무 椅子", "english"),  # hangul: Korean
        ("ﾡ椅", "english"),  # half-width hangul
        ("стул", "english"),
        ("，。！", "english"),  # Chinese punctuation alone
        ("🪑", "english"),
        ("", "english"),
        ("ｃｈａｉｒ", "english"),
    ],
)
def test_detect_language(text: str, expected: str) -> None:
    """Han characters without kana or hangul are Chinese; everything else is English."""
    assert detect_language(text) == expected


@pytest.mark.parametrize(
    "text",
    ["chair", "x", "椅", "42", "café", "ｃｈａｉｒ", "４２", "🪑 chair", "стул chair", "木の椅子", "!!! a", "𠀋", "ø"],
)
def test_a_text_with_a_latin_letter_a_digit_or_han_can_be_searched(text: str) -> None:
    """One readable character is enough, full width or not."""
    assert is_searchable(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\n",
        "?!",
        "，。！？",
        "🪑🛋️",
        "👩‍👩‍👧",
        "стул",
        "いす",
        "ソファ",
        "의자",
        "كرسي",
        "कुर्सी",
        "κ",
        "\x00",
        "\ud83e",
        "⺀",
    ],
)
def test_punctuation_emoji_and_third_scripts_cannot_be_searched(text: str) -> None:
    """Neither language is in these."""
    assert not is_searchable(text)
