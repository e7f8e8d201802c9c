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
    runs: list[str] = [""]
    for character in text:
        if _script(character) == "han":
            runs[-1] += character
        elif runs[-1]:
            runs.append("")
    pairs = [run[n : n + 2] for run in runs for n in range(max(1, len(run) - 1)) if run]
    return " ".join(pairs)


def without_han(text: str) -> str:
    """The text with a blank in place of each Han character."""
    return "".join(" " if _script(character) == "han" else character for character in text)
