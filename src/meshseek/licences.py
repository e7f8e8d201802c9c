"""What a licence permits, as far as its name tells."""

from __future__ import annotations

import re
from typing import Literal

Permission = Literal["commercial", "changes", "no-credit"]
"""Commercial use; changed versions may be passed on; the author need not be named."""

_PUBLIC = re.compile(r"\bcc-?0\b|\bpublic domain\b|\bunlicense\b|\bcc-?pdm\b|creative ?commons zero", re.IGNORECASE)
_CREATIVE_COMMONS = re.compile(r"\bcc[ -]?by\b|\bby(-(sa|nc|nd))*\b|attribution", re.IGNORECASE)
_OPEN = re.compile(r"\b(mit|apache|bsd|isc|zlib|gpl|lgpl|agpl|mpl|free art|lal)\b", re.IGNORECASE)
_NO_COMMERCE = re.compile(r"\bnc\b|non-?commercial|editorial", re.IGNORECASE)
_NO_CHANGES = re.compile(r"\bnd\b|no-?deriv", re.IGNORECASE)


def permissions(licence: str) -> tuple[Permission, ...]:
    """What a licence permits by its SPDX or Creative Commons name, sorted; nothing where the name is not known.

    It helps to choose, and is no legal advice.
    """
    if _PUBLIC.search(licence):
        return ("changes", "commercial", "no-credit")
    if not (_CREATIVE_COMMONS.search(licence) or _OPEN.search(licence)):
        return ()
    allowed: list[Permission] = []
    if not _NO_CHANGES.search(licence):
        allowed.append("changes")
    if not _NO_COMMERCE.search(licence):
        allowed.append("commercial")
    return tuple(allowed)
