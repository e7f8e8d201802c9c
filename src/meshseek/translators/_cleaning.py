"""Tells a translation from what chat models write beside it or instead of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from meshseek.translators import Translation

THOUGHTS: Final = re.compile(r"^.*</think>", re.DOTALL)
COLON: Final = r"\s*[:\uff1a]\s*"
LABEL: Final = re.compile(
    r"^(?:好的|当然(?:可以)?)?[，,。!！\s]*(?:以下|下面|这)?是?(?:这句话|该描述|您的描述)?的?(?:简体)?(?:中文)?"
    rf"(?:翻译|译文|译)(?:结果)?(?:如下|为|是)?{COLON}"
    rf"|^(?:简体)?中文{COLON}"
    rf"|^(?:sure[,.!]*\s*)?(?:here(?:'s|\u2019s| is)\s[^:\uff1a\n]{{0,60}}|(?:chinese\s+)?translation){COLON}",
    re.IGNORECASE,
)
QUOTES: Final = tuple(pair.split() for pair in ("“ ”", "「 」", "『 』", "《 》", "‘ ’", '" "', "' '", "` `", "** **"))
REFUSALS: Final = re.compile(
    r"抱歉|对不起|无法(?:翻译|提供|完成|协助|回答)|不能(?:翻译|提供|协助)|作为(?:一个|一名)?(?:AI|人工智能|语言模型)"
    r"|请提供(?:需要|要)|\b(?:sorry|i cannot|i can't|as an ai)\b",
    re.IGNORECASE,
)
EXPLANATIONS: Final = re.compile(
    r"(?:^|[\n(\uff08])\s*(?:注|注释|说明|解释|备注|note|explanation)\s*[:\uff1a]"
    r"|(?:可以|应|被|一般|通常)?(?:翻译|译)(?:为|成|作)|(?:翻译|意思)是|直译|意译|\bin (?:simplified )?chinese\b",
    re.IGNORECASE,
)
HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
OTHER_CJK: Final = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
WORD: Final = re.compile(r"[^\W\d_\u2e80-\U0003ffff]{2,}")
"""Of any script with letters, not of Chinese or its neighbours."""
PLAIN_WORD: Final = re.compile(r"\b[a-z]{2,}\b")
LONGEST: Final = 1.5
"""Chinese has fewer characters than English: so many times as many, and some to spare, are no translation."""
SPARE: Final = 30
SHORTEST: Final = 1 / 25
MOST_LATIN: Final = 2.0
"""Words for each Han character, beyond which a text is not translated; names and brands may stay."""
REPEATED_WORDS: Final = 3
"""Fewer words may all be a name."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A translation, or why the answer is none."""

    chinese: str | None
    reason: str | None = None


def clean(text: str, answer: str) -> Cleaned:
    """Take the translation of ``text`` out of a model's answer.

    Args:
        text: What was to be translated.
        answer: What the model wrote.
    """
    chinese = unwrapped(answer)
    reason = _fault(text, chinese)
    return Cleaned(None, reason) if reason else Cleaned(chinese)


def needs_translation(text: str) -> bool:
    """Whether there are words in it, and it is not mostly Chinese already."""
    return any(character.isalpha() for character in text) and not _is_chinese(text)


def as_it_is(text: str) -> Translation:
    """What becomes of a text that needs no translation."""
    if _is_chinese(text):
        return Translation(text=text, chinese=text)
    return Translation(text=text, chinese=None, reason="has no words to translate")


def _is_chinese(text: str) -> bool:
    han = len(HAN.findall(text))
    return han > 0 and not OTHER_CJK.search(text) and len(WORD.findall(text)) <= han


def is_english(text: str) -> bool:
    """Whether there are words in it, none of them Chinese, Japanese or Korean, in one line."""
    return text.isprintable() and any(map(str.isalpha, text)) and not HAN.search(text) and not OTHER_CJK.search(text)


def unwrapped(answer: str) -> str:
    """Without thoughts, labels and quotation marks around the whole, however often they are nested."""
    before = None
    answer = THOUGHTS.sub("", answer).strip()
    while before != answer:
        before = answer
        answer = LABEL.sub("", answer).strip()
        for opening, closing in QUOTES:
            inner = answer[len(opening) : -len(closing)]
            wrapped = answer.startswith(opening) and answer.endswith(closing) and len(answer) > len(opening + closing)
            if wrapped and opening not in inner and closing not in inner:
                answer = inner.strip()
    return answer


def _fault(text: str, chinese: str) -> str | None:
    han = len(HAN.findall(chinese))
    checks = {
        "is empty": not chinese,
        "is a refusal": bool(REFUSALS.search(chinese)) and not REFUSALS.search(text),
        "has no Chinese in it": not han,
        "is in another language": bool(OTHER_CJK.search(chinese)) and not OTHER_CJK.search(text),
        "is mostly untranslated": len(WORD.findall(chinese)) > MOST_LATIN * han or _repeats(text, chinese),
        "has an explanation in it": bool(EXPLANATIONS.search(chinese)) and not EXPLANATIONS.search(text),
        "has several lines": "\n" in chinese and "\n" not in text.strip(),
        "is too long": len(chinese) > LONGEST * len(text) + SPARE,
        "is too short": len(chinese) < SHORTEST * len(text),
    }
    fault = next((name for name, failed in checks.items() if failed), None)
    return f"the answer {fault}" if fault else None


def _repeats(text: str, chinese: str) -> bool:
    """Whether most of the plain words are still there; names and brands are written with capitals."""
    plain = PLAIN_WORD.findall(text)
    kept = set(PLAIN_WORD.findall(chinese.lower()))
    return len(plain) >= REPEATED_WORDS and sum(word in kept for word in plain) > len(plain) / 2
