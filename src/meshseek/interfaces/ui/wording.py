"""What the page says, in English and Chinese: one catalogue, ``wording.json``, in which each message has both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from meshseek.errors import MeshseekError

Language = Literal["en", "zh"]
COOKIE: Final = "meshseek-language"
"""In which the browser keeps what its user chose."""
LABELLED: Final = ("category", "tags")
"""Fields whose values are words, not names."""
CODE: Final = "error."
"""Begins the keys of sentences for the API's error codes."""


class Wording:
    """The page's messages in one language.

    Args:
        language: Of all that it says.
    """

    def __init__(self, language: Language) -> None:
        self.language = language

    @property
    def chinese(self) -> bool:
        """Whether it speaks Chinese."""
        return self.language == "zh"

    def __call__(self, key: str, **values: Any) -> str:
        """The message of a key."""
        text = catalogue()[key][self.language]
        return text.format(**values) if values else text

    def known(self, key: str, otherwise: str = "") -> str:
        """Likewise, where there is such a message."""
        return self(key) if key in catalogue() else otherwise

    def label(self, value: str) -> str:
        """A category or tag of a library, where it is a common one; libraries have theirs in English as a rule."""
        return labels().get(value.lower(), value) if self.chinese else value

    def count(self, key: str, number: int) -> str:
        """The message for so many."""
        return self(f"{key}.one" if number == 1 else f"{key}.many", number=f"{number:,}")

    def failure(self, error: MeshseekError) -> str:
        """What went wrong; where the catalogue has no sentence for it, the API's own."""
        code = getattr(error, "code", None) or getattr(error.__cause__, "code", None)
        key = f"{CODE}{code}"
        if key in catalogue():
            return self(key, message=str(error))
        return self("error.other", message=str(error))


@cache
def catalogue() -> Mapping[str, Mapping[Language, str]]:
    """All messages: by key, by language."""
    read: dict[str, dict[Language, str]] = json.loads(Path(__file__).with_name("wording.json").read_text("utf-8"))
    return read


@cache
def labels() -> Mapping[str, str]:
    """Common categories and tags in Chinese, by what they are in English: of furniture libraries, and Sketchfab's."""
    read: dict[str, str] = json.loads(Path(__file__).with_name("labels.json").read_text("utf-8"))
    return read


def preferred(chosen: str | None, accepted: str | None) -> Language:
    """The language to speak.

    Args:
        chosen: As the browser's cookie has it.
        accepted: The header ``Accept-Language``.
    """
    if chosen in {"en", "zh"}:
        return "zh" if chosen == "zh" else "en"
    wished = [_wish(each) for each in (accepted or "")[:1000].split(",")]
    known = [(weight, name) for weight, name in wished if name in get_args(Language) and weight > 0]
    best = max(known, key=lambda each: each[0], default=(1.0, "en"))[1]
    return "zh" if best == "zh" else "en"


def _wish(text: str) -> tuple[float, str]:
    """How much a language is wished, and its name."""
    name, _, weight = text.partition(";q=")
    try:
        return float(weight or 1), name.strip().lower().partition("-")[0]
    except ValueError:
        return 0.0, ""
