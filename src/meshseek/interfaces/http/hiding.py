"""Leaves secrets out of what is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from meshseek.settings import Settings

SHORTEST_SECRET: Final = 6
"""Characters. A password of fewer would black out ordinary words; it is still left out where it stands in a URL."""
HIDDEN: Final = "***"

_USER_INFO = re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://)[^/\s\"'@]+(?=@)", re.IGNORECASE)
_KEYS = re.compile(
    r"(msk_[A-Za-z0-9]{8}_)[\w-]+|((?:password|passwd|api_key|bearer)[=: ] ?)[^\s\"',;&]+", re.IGNORECASE
)


def secrets_of(settings: Settings) -> list[str]:
    """What must never be seen, in each form it may have."""
    found: set[str] = set()
    for value in settings.model_dump().values():
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str):
            continue
        if isinstance(value, SecretStr) and "://" not in text:
            found.add(text)
        elif "://" in text:
            found |= {part for part in _user_info(text) if part}
    forms = {form for text in found for form in (text, unquote(text), json.dumps(unquote(text))[1:-1])}
    return sorted((form for form in forms if len(form) >= SHORTEST_SECRET), key=len, reverse=True)


def _user_info(url: str) -> Iterable[str | None]:
    try:
        return [urlsplit(url).password]
    except ValueError:  # not even the address is one; the regular expressions see what looks like user info
        return []


class Hiding:
    """Leaves secrets out of a line.

    Args:
        secrets: Those that are known.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        words = [re.escape(secret) for secret in secrets]
        self._known = re.compile("|".join(words)) if words else None

    def __call__(self, text: str) -> str:
        """The text with stars in place of secrets."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        text = _USER_INFO.sub(rf"\1{HIDDEN}", text)
        return _KEYS.sub(lambda match: f"{match[1] or match[2]}{HIDDEN}", text)
