"""Answers as agents read them: short, and in the same order as the tiles of the contact sheet."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from meshseek.client.answers import Asset, AssetPage, Attribution, Listed, Result, SearchAnswer, Spread
from meshseek.collecting.credits import GONE
from meshseek.search.sizes import Size
from meshseek.sizes import CM, sides_in_cm, size_of
from meshseek.untrusted.text import plain

MOST_TOKENS: Final = 1_500
"""Of one answer with up to ten results, by :func:`tokens`."""
EACH_TOKENS: Final = 150
"""For each result, where there are more than ten."""
_PIECES: Final = re.compile(r"[A-Za-z]+|[0-9]|[^\sA-Za-z0-9]")
_CAPTION, _NAME, _TAGS, _LINE = 100, 40, 120, 300
_ADDRESS: Final = 80
"""Tokens that the address of a model may have in a list: of ids in Chinese it is three times as long as they are."""
_VALUES: Final = 15
"""Of a field, where they are told for filters to name."""
PARTLY: Final = "A part of the library did not answer; assets may be missing."
_NEVER_NAMED: Final = "unknown licence"


@dataclass(frozen=True, slots=True)
class Reach:
    """How a 3D program of the agent's gets at models."""

    url: str
    """Of the API, as the agent's machine knows it."""
    needs_key: bool = False
    """Whether the key has to be sent with it."""
    saves: bool = False
    """Whether a tool saves them on the agent's machine: then nobody needs their addresses, nor the key."""

    def model(self, asset_id: str) -> str:
        """Where an asset's GLB is."""
        return f"{self.url}/assets/{quote(asset_id)}/model"


def tokens(text: str) -> int:
    """How many tokens a text is at most, by a rule that suits addresses, figures and Chinese, too."""
    return math.ceil(sum(math.ceil(len(piece) / 4) if piece.isascii() else 1.5 for piece in _PIECES.findall(text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A page of assets that is to be told."""

    head: str
    """What they are."""
    assets: Sequence[Listed]
    order: str = "best first"
    offset: int = 0
    follows: Literal["more", "none", "unknown"] = "none"
    """What comes after them."""
    notes: Sequence[str] = ()
    """Lines that are to be read before them."""
    why_none: str = "use other words, or fewer filters"
    """What helps where there is none."""
    wished: Size | None = None
    """By how much each differs from this size is told."""

    @property
    def first_line(self) -> str:
        """How many there are, and whether there are more."""
        if not self.assets and self.offset:
            return f"{self.head}: no result has the number {self.offset + 1}; the pages before have all that there are."
        if not self.assets:
            return f"{self.head}: nothing found. {self.why_none[0].upper()}{self.why_none[1:]}."
        end = self.offset + len(self.assets)
        which = f"{len(self.assets)} results" if not self.offset else f"results {self.offset + 1} to {end}"
        after = {"more": f"more with offset {end}", "none": "these are the last", "unknown": "no page goes further"}
        return f"{self.head}: {which}, {self.order}; {after[self.follows]}. Numbers are those on the picture."


def results_text(rows: Rows, reach: Reach) -> str:
    """Assets by number, as many as fit, and how a 3D program gets at their models."""
    lines = [rows.first_line, *rows.notes]
    if rows.assets and reach.saves:
        lines.append("get_asset saves a GLB on this machine and gives its path.")
    elif rows.assets and reach.needs_key:
        lines.append("The glb addresses need the header 'Authorization: Bearer <key>'.")
    most = max(MOST_TOKENS, EACH_TOKENS * len(rows.assets))
    left = most - tokens("\n".join(lines)) - tokens(_left_out(len(rows.assets)))
    for place, asset in enumerate(rows.assets):
        row = _row(rows.offset + 1 + place, asset, rows.wished, reach)
        left -= tokens(row)
        if left < 0:
            return "\n".join([*lines, _left_out(len(rows.assets) - place)])
        lines.append(row)
    return "\n".join(lines)


def notes_of(answer: SearchAnswer) -> list[str]:
    """What is to be known before the results of a search are read."""
    lines = ["Even the best fits weakly: probably nothing here is like this."] if answer.nothing_close else []
    return [*lines, PARTLY] if answer.partial else lines


def facet_notes(page: AssetPage) -> list[str]:
    """The values of fields that were counted, the most frequent first, for filters to name."""
    lines = []
    for name, counts in page.facets.items():
        values = [] if isinstance(counts, Spread) else counts
        told = ", ".join(f"{_cut(each.value, _NAME)} {each.count:,}" for each in values[:_VALUES])
        lines += [f"{name}: {told}{' and more' if len(values) > _VALUES else ''}"] if told else []
    return [*lines, PARTLY] if page.partial else lines


def asset_text(asset: Asset, glb: str | None, numbers: Sequence[str]) -> str:
    """All that an agent needs of one asset.

    Args:
        asset: Of the API.
        glb: Path or address of its model.
        numbers: Of the views on the contact sheet.
    """
    attributes = asset.attributes
    tags = attributes.get("tags")
    rows = {
        "id": asset.asset_id,
        "glb": glb or "it has no model file",
        "captions": " / ".join(
            _cut(text, 3 * _CAPTION) for text in (*asset.captions_en[:2], *asset.captions_zh[:1]) if text
        ),
        "category": _cut(attributes.get("category"), _NAME),
        "tags": _cut(", ".join(map(str, tags)) if isinstance(tags, list) else tags, _TAGS),
        "size": size_text(attributes),
        "licence": licence_text(attributes),
        "faces": _count(attributes.get("faces")),
        "library": _cut(attributes.get("library"), _NAME),
        "views": f"{len(asset.viewpoint_ids)}, of which the picture shows {', '.join(numbers)}" if numbers else "",
    }
    return "\n".join(f"{name}: {value}" for name, value in rows.items() if value)


def attribution_text(told: Attribution) -> str:
    """Warnings first, then a line to show for each asset, then what each licence says."""
    lines = [f"Warning: {_cut(warning, _LINE)}" for warning in told.warnings]
    here = [item for item in told.items if item.licence or not item.missing]
    missing = [item for item in told.items if item.missing and item.missing != GONE]  # of that is warned
    lines += [f"{item.asset_id}: {_cut(item.missing, _LINE)}" for item in missing]
    if here:
        lines.append("Show or keep beside the work:")
    lines += [f"* {_cut(item.line, _LINE)}" for item in here]
    meanings = {item.licence: item.in_words for item in here}
    lines += [f"{_cut(name, _NAME) or 'No licence'}: {_cut(words, _LINE)}" for name, words in meanings.items()]
    return shortened("\n".join(lines))


def size_text(attributes: Mapping[str, Any]) -> str:
    """Width x depth x height in metres, and how sure their unit is."""
    size = size_of(attributes)
    if size is None:
        return "unknown"
    sides = " x ".join(f"{side / CM if size.is_known else side:.3g}" for side in size.sides)
    if not size.is_known:
        return f"{sides} in an unknown unit: scale it yourself"
    return f"{sides} m (width x depth x height){', unit likely' if size.is_likely else ''}"


def licence_text(attributes: Mapping[str, Any]) -> str:
    """The licence, and whose work it is."""
    licence = _cut(attributes.get("licence"), _NAME) or _NEVER_NAMED
    creator = _cut(attributes.get("creator"), _NAME)
    return f"{licence} by {creator}" if creator else licence


def shortened(text: str) -> str:
    """A text that is no longer than an answer may be."""
    if tokens(text) <= MOST_TOKENS:
        return text
    end = "\n(more was left out; ask for fewer at once)"
    while tokens(text) + tokens(end) > MOST_TOKENS:
        text = text[: len(text) * 9 // 10]
    return text + end


def _row(place: int, asset: Listed, wished: Size | None, reach: Reach) -> str:
    found = asset if isinstance(asset, Result) else None
    caption = _cut(asset.caption_en or asset.caption_zh, _CAPTION)
    fits = f" [{found.relevance}]" if found and found.relevance else ""
    copies = f" (+{len(found.duplicates)} that look the same)" if found and found.duplicates else ""
    size = size_text(asset.attributes).replace(" (width x depth x height)", "") + _difference(asset, wished)
    facts = [_cut(asset.attributes.get("category"), _NAME), size, licence_text(asset.attributes), _glb(asset, reach)]
    return f"{place}. {asset.asset_id}{fits} {caption}{copies}\n   {'; '.join(filter(None, facts))}"


def _glb(asset: Listed, reach: Reach) -> str:
    """Where the model is, where that is not told of all of them."""
    if not asset.model_url:
        return "no model file"
    address = reach.model(asset.asset_id)
    known = address if tokens(address) <= _ADDRESS else "by get_asset"
    return "" if reach.saves else f"glb {known}"


def _difference(asset: Listed, wished: Size | None) -> str:
    """By how much the sides differ from a wished size, where that can be said."""
    sides = sides_in_cm(asset.attributes)
    if wished is None or sides is None:
        return ""
    off = wished.difference(sides)
    return "" if math.isnan(off) else f" ({off:.0f} cm off on average)"


def _left_out(count: int) -> str:
    return f"({count} more do not fit here: ask for fewer at once, or for the next by offset)"


def _cut(value: Any, most: int) -> str:
    """Plain words of at most so many characters; whatever libraries say of themselves, it stays one line."""
    text = " ".join(plain(str(value if value is not None else "")).split())
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else ""
