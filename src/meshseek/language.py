"""The language of a text, told by its script."""

from __future__ import annotations

import unicodedata

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


def _script(character: str) -> str:
    name = unicodedata.name(character, "")
    if name.startswith("CJK "):
        return "han" if unicodedata.category(character) == "Lo" else ""
    if any(script in name for script in ("HIRAGANA", "KATAKANA", "HANGUL")):
        return "other_cjk"
    if name.startswith("LATIN") or "FULLWIDTH LATIN" in name:
        return "latin"
    return "digit" if character.isdigit() else ""
