"""The language of a text, told by its script."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from meshseek.model import Language


def detect_language(text: str) -> Language:
    """Tell English from Chinese: Han characters without kana or hangul are Chinese, all else is English.

    For this closed pair a test of scripts is exact and free, where statistical detectors fail on one or two words.
    """
    scripts = {_script(character) for character in text}
    return "chinese" if "han" in scripts and "other_cjk" not in scripts else "english"


def as_name(text: str) -> str:
    """A name as it is compared with what somebody types: in small letters, with single blanks."""
    return " ".join(text.lower().split())


def is_han(character: str) -> bool:
    """Tell whether a character is one of those that Chinese is written with."""
    return _script(character) == "han"


def is_searchable(text: str) -> bool:
    """Tell whether the text holds a Latin letter, a digit or a Han character."""
    return any(_script(character) in {"latin", "han", "digit"} for character in text)


@lru_cache(maxsize=1 << 14)
def _script(character: str) -> str:
    name = unicodedata.name(character, "")
    if name.startswith("CJK "):
        return "han" if unicodedata.category(character) == "Lo" else ""
    if any(script in name for script in ("HIRAGANA", "KATAKANA", "HANGUL")):
        return "other_cjk"
    if name.startswith("LATIN") or "FULLWIDTH LATIN" in name:
        return "latin"
    return "digit" if character.isdigit() else ""


def bigrams(text: str) -> str:
    """Every two neighbouring Han characters of a text, apart by blanks; a character that stands alone is kept.

    Chinese is written without blanks. Pairs find any word without a dictionary, and, asked one after the other, any
    phrase.
    """
    return " ".join(run[n : n + 2] for run in _runs(text) for n in range(max(1, len(run) - 1)))


def last_characters(text: str) -> str:
    """The last character of each run of Han characters, apart by blanks.

    No pair begins with it, and often it names the thing, as 椅 (chair) does in 红木椅 (rosewood chair).
    """
    return " ".join(run[-1] for run in _runs(text))


def without_han(text: str) -> str:
    """The text with a blank in place of each Han character, and of signs that a database takes for words."""
    if text.isascii():
        return text
    return "".join(character if character.isascii() or _is_letter(character) else " " for character in text)


def _is_letter(character: str) -> bool:
    """Whether it is part of a word that is not Chinese: no punctuation, symbol or separator."""
    return _script(character) != "han" and unicodedata.category(character)[0] not in "PSZ"


def _runs(text: str) -> list[str]:
    if text.isascii():
        return []
    return "".join(character if _script(character) == "han" else " " for character in text).split()
