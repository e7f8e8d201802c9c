"""What is taken for a translation, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.translators._cleaning import clean, needs_translation

CHAIR = "a red wooden chair"


@pytest.mark.parametrize(
    "answer",
    [
        "一把红色的木椅",
        "  一把红色的木椅\n",
        "“一把红色的木椅”",
        '"一把红色的木椅"',
        "「一把红色的木椅」",
        "译文：一把红色的木椅",
        "翻译:一把红色的木椅",
        "中文翻译：“一把红色的木椅”",
        "Translation: 一把红色的木椅",
        "**一把红色的木椅**",
        "<think>chair is 椅子\nso...</think>\n一把红色的木椅",
        "so it is 木椅...\n</think>\n\n一把红色的木椅",
        "好的，以下是翻译：\n一把红色的木椅",
        "当然！这句话的中文翻译是：一把红色的木椅",
        "翻译如下：\n“一把红色的木椅”",
        "Sure! Here is the Chinese translation:\n\n一把红色的木椅",
        "Here's the caption in Chinese: 「一把红色的木椅」",
    ],
)
def test_what_surrounds_a_translation_is_left_out(answer: str) -> None:
    """Quotation marks, labels and thoughts are not part of it."""
    assert clean(CHAIR, answer).chinese == "一把红色的木椅"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("“”", "has no Chinese"),
        (CHAIR, "has no Chinese"),
        ("una silla roja", "has no Chinese"),
        ("赤い木の椅子", "another language"),
        ("抱歉，我无法翻译这段文字", "refusal"),
        ("Sorry, I cannot help with 椅子", "refusal"),
        ("作为一个AI语言模型，我", "refusal"),
        ("a red wooden chair 椅", "untranslated"),
        ("一把红色的木椅\n注：木椅指木头做的椅子", "explanation"),
        ("一把红色的木椅（注：原文为 chair）", "explanation"),
        ("一把红色的木椅\n一张红色的木凳", "several lines"),
        ("一把红色的木椅" * 20, "too long"),
        ("a red wooden chair 是一把红色的木质椅子", "untranslated"),
        ("a red wooden chair (一把红色的木质椅子)", "untranslated"),
        ("“chair”翻译为椅子", "explanation"),
        ("这句话的意思是一把椅子", "explanation"),
        ("красный стул", "has no Chinese"),
        ("빨간 의자", "has no Chinese"),
        ("赤い椅子", "another language"),
    ],
)
def test_what_is_no_translation(answer: str, reason: str) -> None:
    """Refusals, explanations, other languages and the like are told apart, with a reason."""
    cleaned = clean(CHAIR, answer)
    assert cleaned.chinese is None
    assert reason in (cleaned.reason or "")


def test_a_long_caption_is_not_shortened_to_a_word() -> None:
    """A single word for a long text is not its translation."""
    assert "too short" in (clean("a long description of a castle " * 20, "城堡").reason or "")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("a BMW X5 car", "一辆宝马 X5 汽车"),
        ("IKEA POÄNG armchair", "宜家 POÄNG 扶手椅"),
        ("a sign that says 'sorry'", "写着“抱歉”的牌子"),
        ('the word "note"', "“note”一词"),
        ("N64 console", "N64 游戏机"),
        ("Star Wars X-Wing", "《星球大战》X-Wing 战机"),
        ("a box with the words hot and cold on it", "写有 hot 和 cold 字样的盒子"),
        ("a sign: note the step", "指示牌：注意台阶"),
        ("the word sushi in Japanese, すし", "日语单词“寿司”，すし"),
        ("MacBook Pro 16", "MacBook Pro 16 笔记本"),
        ("cup", "杯子"),
        ("first line\nsecond line", "第一行\n第二行"),
    ],
)
def test_names_and_quoted_words_may_stay(text: str, answer: str) -> None:
    """What looks suspicious is meant where the caption has it too."""
    assert clean(text, answer).chinese == answer


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("a chair", True),
        ("une chaise", True),
        ("стул", True),
        ("椅子", False),
        ("一把 IKEA 椅子", False),
        ("a sign with 福 on it", True),
        ("椅子 chair of a very old king", True),
        ("赤い椅子", True),
        ("의자", True),
        ("12345", False),
        ("🪑", False),
        ("", False),
    ],
)
def test_what_needs_a_translation(text: str, needed: bool) -> None:  # noqa: FBT001  # a parameter of the table
    """Words in any language but Chinese do."""
    assert needs_translation(text) is needed


@given(st.text(max_size=60), st.text(max_size=60))
def test_every_answer_is_either_kept_or_explained(text: str, answer: str) -> None:
    """Whatever a model writes, there is a translation or a reason, and cleaning it again changes nothing."""
    cleaned = clean(text, answer)
    assert (cleaned.chinese is None) != (cleaned.reason is None)
    if cleaned.chinese is not None:
        assert clean(text, cleaned.chinese).chinese == cleaned.chinese
