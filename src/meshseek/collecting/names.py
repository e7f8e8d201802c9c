"""Names of files for assets: readable, the same each time, and safe on every system that unpacks them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from meshseek.untrusted.text import plain

LONGEST = 60
"""Characters, of up to four bytes each: most file systems take 255 bytes."""
_ODD = re.compile(r"[^\w.-]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
"""What Windows takes for a device, whatever comes after the first dot."""


def file_names(asset_ids: Iterable[str]) -> dict[str, str]:
    """A name without suffix for each asset; no two are equal, whatever the case of their letters."""
    taken: set[str] = set()
    names: dict[str, str] = {}
    for asset_id in dict.fromkeys(asset_ids):
        name = first = readable(asset_id)
        number = 1
        while _compared(name) in taken:
            number += 1
            name = f"{first}-{number}"
        taken.add(_compared(name))
        names[asset_id] = name
    return names


def readable(asset_id: str) -> str:
    """A name without suffix for one asset; others may have the same."""
    name = _ODD.sub("_", unicodedata.normalize("NFC", plain(asset_id)))[:LONGEST].strip("._-")
    return name if name and not _RESERVED.fullmatch(name) else f"asset_{name}".rstrip("_")


def _compared(name: str) -> str:
    """As systems compare names that do not tell cases apart, or take letters and their accents apart."""
    return unicodedata.normalize("NFD", name.casefold())
