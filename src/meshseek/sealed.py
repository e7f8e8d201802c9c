"""Small JSON files that tell whether they are as they were written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

CHECKSUM, SEALED = "checksum", "sealed"
"""Two words, so that a file in which one of them was altered is not taken for that of an older Meshseek."""


def sealed(values: Mapping[str, Any]) -> bytes:
    """JSON of values, with a checksum of them among them."""
    seal = {SEALED: True, CHECKSUM: _checksum(values)}
    return json.dumps({**values, **seal}, ensure_ascii=False, indent=1).encode()


def unsealed(content: bytes) -> dict[str, Any]:
    """The values, without their checksum; those that an older Meshseek wrote have none.

    Raises:
        ValueError: They are not as they were written; the message says so in a few words.
    """
    try:
        values: Any = json.loads(content)
    except RecursionError as error:
        raise ValueError("it holds values inside values, too deep to be read") from error
    if not isinstance(values, dict):
        raise ValueError("it holds no object")  # noqa: TRY004  # what is on a disk has no type
    kept, is_sealed = values.pop(CHECKSUM, None), values.pop(SEALED, None)
    if (kept, is_sealed) != (None, None) and (kept, is_sealed) != (_checksum(values), True):
        raise ValueError("its checksum differs")
    return values


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
