"""What a benchmark's file holds: texts, and the Objaverse models that each is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from meshseek.errors import DatasetError

MAX_BYTES = 200_000_000
"""Of a file, unpacked."""
MAX_ITEMS = 2_000_000

_UID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
"""Objaverse's ids, and those of Objaverse-XL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One text and the models that should be found by it."""

    line: int
    """Line of the file, or number of the entry, from 1."""
    text: str
    uids: tuple[str, ...]


def is_uid(text: str) -> bool:
    """Whether it is an id of Objaverse or Objaverse-XL."""
    return _UID.fullmatch(text) is not None


def check_size(path: Path) -> None:
    """Refuse a file that is larger than any of these is.

    Raises:
        DatasetError: It is, or it is not there.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}; check the path and its permissions") from error
    if size > MAX_BYTES:
        raise DatasetError(f"{path} has {size / 1e6:,.0f} MB, more than {MAX_BYTES / 1e6:,.0f}; give the file itself")


def checked(items: list[Item], path: Path, form: str) -> list[Item]:
    """The items, of which there must be some.

    Raises:
        DatasetError: There are none.
    """
    if not items:
        raise DatasetError(f"{path} holds no queries; give {form}")
    return items
