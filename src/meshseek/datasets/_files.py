"""Files of a dataset: put there whole or not at all, safely named, and known again by their fingerprints."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_MAX_NAME = 100


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a new path beside the target; what is put there takes the target's place when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file systems differ."""
    with whole_file(target) as part:
        try:
            part.hardlink_to(source.resolve())
        except OSError:
            shutil.copyfile(source, part)


def safe_name(text: str) -> str:
    """A name that is one part of a path on any system: letters of any script, digits, ``.``, ``_`` and ``-``."""
    return re.sub(r"[^\w.-]+", "-", text).strip(".-")[:_MAX_NAME] or "unnamed"


def unique_id(wanted: str, taken: set[str]) -> str:
    """The id, with a number behind it where it is taken; case does not tell ids apart, as some file systems cannot."""
    asset_id, number = wanted, 1
    while asset_id.casefold() in taken:
        number += 1
        asset_id = f"{wanted}-{number}"
    taken.add(asset_id.casefold())
    return asset_id


def fingerprint_of(*facts: Any) -> str:
    """A short hash of JSON values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
