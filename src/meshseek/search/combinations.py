"""Which vectors answer which query: the one table of it. ``docs/search.md`` shows the same to users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshseek.store.read.published import QueryType

QUERY_TYPES: Final[frozenset[QueryType]] = frozenset(("english", "chinese", "image"))

MODE: Final[Mapping[tuple[QueryType, bool | None], str]] = {
    # query      cross-modal; None where that is left open
    ("english", None): "both",
    ("chinese", None): "both",
    ("image", None): "appearance",
    ("english", False): "caption",
    ("chinese", False): "caption",
    ("image", False): "appearance",
    ("english", True): "appearance",
    ("chinese", True): "appearance",
    ("image", True): "caption",
}
"""The mode that answers unless the caller names one. ``both`` asks the two, and for words, and fuses them."""
