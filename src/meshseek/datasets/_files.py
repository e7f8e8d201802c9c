"""Names and fingerprints of what a dataset lists."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

_MAX_NAME = 100


def is_folder(path: Path) -> bool:
    """Whether it is a folder; what cannot be looked at is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def safe_name(text: str) -> str:
    """A name that is one part of a path on any system: letters of any script, digits, ``.``, ``_`` and ``-``."""
    return re.sub(r"[^\w.-]+", "-", text).strip(".-")[:_MAX_NAME] or "unnamed"


def unique_id(wanted: str, taken: dict[str, int]) -> str:
    """The id, with a number behind it where it is taken; case does not tell ids apart, as some file systems cannot.

    Args:
        wanted: The id.
        taken: Ids that are taken, in small letters, each with the last number that was put behind it.
    """
    asset_id, number = wanted, taken.get(wanted.casefold(), 1)
    while asset_id.casefold() in taken:
        number += 1
        asset_id = f"{wanted}-{number}"
    taken[wanted.casefold()] = number
    taken.setdefault(asset_id.casefold(), 1)
    return asset_id


def fingerprint_of(*facts: Any) -> str:
    """A short hash of JSON values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
