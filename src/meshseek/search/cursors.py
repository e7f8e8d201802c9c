"""Where a page of a catalogue ended, as text that its reader gives back to have the next one."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from meshseek.errors import QueryError
from meshseek.model import Condition
from meshseek.search.filters import in_single_precision
from meshseek.store.read.listing import COLUMNS, Key, Place

LONGEST: Final = 4000
"""Characters of a cursor: more than an id and a name take, however they are written."""
_MOST_SECONDS = 1 << 60
AGAIN = "leave it out to begin at the first page"


def cursor_of(place: Place, sort: str, conditions: Sequence[Condition]) -> str:
    """The text for a place."""
    content = json.dumps([_question(sort, conditions), place.key, place.asset_id], ensure_ascii=False)
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def place_of(cursor: str, sort: str, conditions: Sequence[Condition]) -> Place:
    """The place that a text names.

    Raises:
        QueryError: It is no cursor, or one of another order or of other filters.
    """
    unreadable = QueryError(f"the cursor cannot be read; {AGAIN}")
    if len(cursor) > LONGEST:
        raise unreadable
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        question, key, asset_id = json.loads(content)
        asset_id.encode()  # half a character cannot be sent on
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise unreadable from error
    if not isinstance(asset_id, str) or "\0" in asset_id:
        raise unreadable
    if question != _question(sort, conditions):
        raise QueryError(f"the cursor is of a list in another order or with other filters; {AGAIN}")
    if not _is_key(key, sort.removeprefix("-")):
        raise unreadable
    return Place(key, asset_id)


def _question(sort: str, conditions: Sequence[Condition]) -> str:
    """What tells one list from another."""
    return hashlib.sha256(repr((sort, tuple(conditions))).encode()).hexdigest()[:12]


def _is_key(key: Any, by: str) -> bool:
    """Whether assets may be sorted by it, as the database has it."""
    if key is None:
        return by != "name"
    kind = str(COLUMNS[by].type.as_string())
    if kind == "text":
        return isinstance(key, str) and "\0" not in key and _is_whole(key)
    if isinstance(key, bool):
        return False
    if kind == "bigint":
        return isinstance(key, int) and abs(key) < _MOST_SECONDS
    # The database would not take a number that is too small or large for single precision.
    return isinstance(key, int | float) and in_single_precision(key) == key


def _is_whole(text: Key) -> bool:
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True
