"""What a licence permits, as far as its name tells."""

from __future__ import annotations

import re
from typing import Literal

Permission = Literal["commercial", "changes", "no-credit"]
"""Commercial use; changed versions may be passed on; the author need not be named."""

_URL = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)"
    r"(?:/(?:\d\.\d|[a-z]{2}|igo|(?:deed|legalcode)(?:\.[a-z]{2})?))*/?"
)
_PUBLIC = re.compile(
    r"(?:(?:cc|creative-commons)-?(?:0|zero|pdm|mark|public-domain)|public-domain|(?:the-)?unlicense)"
    r"(?:-(?:v?1\.0|universal|public-domain|dedication|mark|licen[cs]e))*"
)
_CREATIVE_COMMONS = re.compile(
    r"(?:(?:cc|creative-commons)-?)?(?:by|attribution)"
    r"(?:-(?:sa|share-?alike|nc|non?-?commercial|nd|no-?deriv(?:ative)?s?(?:-works)?))*"
    r"(?:-v?\d(?:\.\d)?(?:-(?:[a-z]{2}|igo|generic|unported|international|united-states))?)?(?:-licen[cs]e)?"
)
_OPEN = re.compile(
    r"(?:the-)?(?:gnu-)?(?:mit|apache|bsd|isc|zlib|[al]?gpl|mpl|free-art|lal)"
    r"(?:-?(?:licen[cs]e|version|clause|only|or-later|v?\d(?:\.\d)*\+?))*"
)
_NO_COMMERCE = re.compile(r"\bnc\b|commercial")
_NO_CHANGES = re.compile(r"\bnd\b|deriv")


def permissions(licence: str) -> tuple[Permission, ...]:
    """What a licence permits by its SPDX or Creative Commons name or URL, sorted; nothing where that is not known.

    The whole text must be such a name: one more word may take back what the name permits. It helps to choose, and is
    no legal advice.
    """
    name = re.sub(r"[\s_,-]+", "-", licence.strip().lower())
    if url := _URL.fullmatch(name):
        name = f"cc-{url[1]}"
    if _PUBLIC.fullmatch(name):
        return ("changes", "commercial", "no-credit")
    if not (_CREATIVE_COMMONS.fullmatch(name) or _OPEN.fullmatch(name)):
        return ()
    allowed: list[Permission] = []
    if not _NO_CHANGES.search(name):
        allowed.append("changes")
    if not _NO_COMMERCE.search(name):
        allowed.append("commercial")
    return tuple(allowed)
