"""What the page says, in two languages."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from meshseek.errors import InputError
from meshseek.interfaces import ui
from meshseek.interfaces.ui.client import coded
from meshseek.interfaces.ui.wording import Wording, catalogue, labels, preferred

NAMES = {"Meshseek", "GLB", "JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "MB"}
"""Words that are the same in Chinese."""
FOLDER = Path(ui.__file__).parent
SOURCES = [path for path in FOLDER.rglob("*") if path.suffix in {".py", ".html", ".js"}]
MADE_OF_PARTS = (
    *("error.", "field.", "permits.", "relevance.", "target.", "language.", "algorithm.", "basis.", "part.", "sort."),
    *("licence.", "use.", "status.", "state.", "link."),
)
"""Beginnings of keys that end in a word of the API, or stand in a table."""


def places(text: str) -> set[str]:
    """What is filled into a message."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_message_is_in_both_languages() -> None:
    """With the same places to fill in, and nothing empty."""
    for key, message in catalogue().items():
        assert set(message) == {"en", "zh"}, key
        assert all(text.strip() for text in message.values()), key
        if not key.startswith("error."):  # in which the API's own English sentence may stand
            assert places(message["en"]) == places(message["zh"]), key


def test_no_message_is_half_translated() -> None:
    """Chinese has no Latin letters save for names, and English no Chinese ones."""
    for key, message in catalogue().items():
        words = set(re.findall(r"[A-Za-z]+", re.sub(r"\{\w+\}", "", message["zh"])))
        assert words <= NAMES, key
        assert not re.search(r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]", message["en"]), key
        assert re.search(r"[\u3000-\u9fff\uff00-\uffef]", message["zh"]), key


def test_common_labels_are_told_in_chinese() -> None:
    """Whatever the case of their letters; what is not known stays as the library has it."""
    assert (Wording("zh").label("Living room"), Wording("zh").label("living room")) == ("客厅", "客厅")
    assert Wording("zh").label("Steampunk zeppelin") == "Steampunk zeppelin"
    assert Wording("en").label("Living room") == "Living room"
    for english, chinese in labels().items():
        assert english == english.lower()
        assert re.fullmatch(r"[\u4e00-\u9fff]+", chinese), english


def test_every_message_is_said_somewhere() -> None:
    """What nothing says is not translated either."""
    source = "\n".join(path.read_text("utf-8") for path in SOURCES)
    for key in catalogue():
        stem = re.sub(r"\.(one|many)$", "", key)
        assert f'"{stem}"' in source or f"'{stem}'" in source or key.startswith(MADE_OF_PARTS), key


def test_templates_have_no_words_of_their_own() -> None:
    """All that a template shows comes from the catalogue, or is given to it."""
    for path in FOLDER.glob("pieces/*.html"):
        shown = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|&\w+;", " ", path.read_text("utf-8"), flags=re.DOTALL)
        text = re.sub(r"<[^>]*>", " ", shown)
        assert not re.search(r"[A-Za-z\u3400-\u9fff]", text), path.name


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, None, "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "de,en;q=0.7,zh;q=0.3", "en"),
        (None, "de, zh-TW;q=0.5", "zh"),
        (None, "zh;q=0", "en"),
        (None, "zh;q=x", "en"),
        (None, "fr", "en"),
        ("en", "zh-CN", "en"),
        ("zh", "en", "zh"),
        ("nonsense", "zh", "zh"),
    ],
)
def test_the_browser_s_language_comes_first_until_one_is_chosen(
    chosen: str | None, accepted: str | None, language: str
) -> None:
    """What the page does not speak is passed over."""
    assert preferred(chosen, accepted) == language


def test_failures_are_told_in_the_language_of_the_page() -> None:
    """In English as the API says it; in Chinese by its code, or with the API's sentence where there is none."""
    known, unknown = coded(InputError("The query is empty."), "query"), coded(InputError("Odd."), "odd")

    assert Wording("en").failure(known) == "The query is empty."
    assert re.search("请用中文", Wording("zh").failure(known))
    assert Wording("en").failure(unknown) == "Odd."
    assert Wording("zh").failure(unknown) == "检索服务报告：Odd."
