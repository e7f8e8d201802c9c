"""What an asset may say of itself: bounds that the database bears in the worst case, and no orders to terminals.

PostgreSQL's unique and text keys take 2,704 bytes, and all words of an asset together 1 MB in its own form. A value
that is too long is left out and told; the asset stays. Only an id that is too long keeps its asset out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from meshseek.model import LABEL_FIELDS, Asset
from meshseek.untrusted.text import plain
from meshseek.untrusted.values import is_deep

MOST_ID_BYTES = 1000
MOST_CAPTION_BYTES = 10_000
MOST_CAPTIONS = 100
"""Of each language."""
MOST_TEXT_BYTES = 64_000
"""Of all that an asset is found by in full text: its name, category, tags and captions."""
MOST_LABEL_BYTES = 2000
"""Of a value that assets are filtered by, such as a tag."""
MOST_LABELS = 200
"""Of one field."""
MOST_ATTRIBUTES = 200
MOST_KEY_BYTES = 100
MOST_VALUE_BYTES = 10_000
"""Of any other attribute, as JSON."""
_FOUND_BY = ("name", "category", "tags")
_SURELY_FITS = 500
"""Characters; four bytes each are no more than a label may have."""
_SHOWN = 40


def id_fault(asset_id: str) -> str | None:
    """Why an asset cannot have this id; None where it can."""
    if plain(asset_id) != asset_id:
        return "its id holds characters that nobody sees; rename it"
    return long_id(asset_id)


def long_id(asset_id: str) -> str | None:
    """Why no database takes this id; None where one does."""
    size = _size(asset_id)
    if size <= MOST_ID_BYTES:
        return None
    return f"its id has {size:,} bytes; rename it, so that it has at most {MOST_ID_BYTES:,}"


def cleaned(asset: Asset) -> Asset:
    """An asset that is within bounds, without control characters and the like in anything that it says."""
    return replace(
        asset,
        captions_english=tuple(filter(None, (plain(text).strip() for text in asset.captions_english))),
        captions_chinese=tuple(filter(None, (plain(text).strip() for text in asset.captions_chinese))),
        attributes={plain(name): _cleaned(value) for name, value in asset.attributes.items()},
    )


def within_bounds(asset: Asset) -> tuple[Asset, tuple[str, ...]]:
    """The asset without what is too long or too many, and what that was, in words."""
    captions = (*asset.captions_english, *asset.captions_chinese)
    if sum(map(len, captions)) + len(captions) <= _SURELY_FITS and _is_small(asset.attributes):
        return asset, ()
    bounding = _Bounding()
    attributes = bounding.attributes(asset.attributes)
    english = bounding.captions("English", asset.captions_english)
    chinese = bounding.captions("Chinese", asset.captions_chinese)
    if not bounding.left_out:
        return asset, ()
    kept = replace(asset, attributes=attributes, captions_english=english, captions_chinese=chinese)
    return kept, tuple(bounding.left_out)


def _is_small(attributes: Mapping[str, Any]) -> bool:
    """Whether all of it together is smaller than any value may be; most are, and a million assets are looked at."""
    return not is_deep(attributes) and len(repr(attributes)) <= _SURELY_FITS


@dataclass(slots=True)
class _Bounding:
    """One asset while it is looked at."""

    left_out: list[str] = field(default_factory=list)
    room: int = MOST_TEXT_BYTES

    def attributes(self, given: Mapping[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in given.items():
            shown = f"attribute '{name[:_SHOWN]}'"
            if _size(name) > MOST_KEY_BYTES:
                self.left_out.append(f"{shown}, whose name has {_size(name):,} bytes")
            elif len(kept) >= MOST_ATTRIBUTES:
                self.left_out.append(f"{shown}, the {MOST_ATTRIBUTES + 1}st or later")
            elif is_deep(value):
                self.left_out.append(f"{shown}, of too many lists inside lists")
            elif name in LABEL_FIELDS or name in _FOUND_BY:
                kept[name] = self._words(name, value)
            elif (size := len(json.dumps(value, default=str).encode())) > MOST_VALUE_BYTES:
                self.left_out.append(f"{shown} of {size:,} bytes")
            else:
                kept[name] = value
        return kept

    def captions(self, language: str, texts: tuple[str, ...]) -> tuple[str, ...]:
        if len(texts) > MOST_CAPTIONS:
            self.left_out.append(f"{len(texts) - MOST_CAPTIONS:,} {language} captions after the first {MOST_CAPTIONS}")
        most = MOST_CAPTION_BYTES
        return tuple(text for text in texts[:MOST_CAPTIONS] if self._fits(f"{language} caption", text, most))

    def _words(self, name: str, value: Any) -> Any:
        most = MOST_LABEL_BYTES if name in LABEL_FIELDS else MOST_VALUE_BYTES
        if not isinstance(value, list | tuple):
            return value if self._fits(name, value, most, name in _FOUND_BY) else None
        words = list(_flat(value))
        if len(words) > MOST_LABELS:
            self.left_out.append(f"{len(words) - MOST_LABELS:,} {name} after the first {MOST_LABELS}")
        return [word for word in words[:MOST_LABELS] if self._fits(name, word, most, name in _FOUND_BY)]

    def _fits(self, what: str, value: Any, most: int, counts: bool = True) -> bool:  # noqa: FBT001, FBT002
        size = _size(value if isinstance(value, str) else json.dumps(value, default=str))
        if size > most:
            self.left_out.append(f"{what} of {size:,} bytes")
        elif counts and size > self.room:
            self.left_out.append(f"{what}, as all words together have more than {MOST_TEXT_BYTES:,} bytes")
        else:
            self.room -= size if counts else 0
            return True
        return False


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _flat(value: Any) -> Iterator[Any]:
    """The values in lists inside lists."""
    for inner in value:
        yield from _flat(inner) if isinstance(inner, list | tuple) else (inner,)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(str(name)): _cleaned(inner) for name, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list | tuple) else value
