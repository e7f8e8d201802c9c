"""Answers as agents read them: short, and in the same order as the tiles of the contact sheet."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from meshseek.client.answers import Asset, Attribution, Result, SearchAnswer
from meshseek.sizes import CM, size_of
from meshseek.untrusted.text import plain

MOST_TOKENS: Final = 1_500
"""Of one answer with up to ten results, by :func:`tokens`."""
EACH_TOKENS: Final = 150
"""For each result, where there are more than ten."""
_PIECES: Final = re.compile(r"[A-Za-z]+|[0-9]|[^\sA-Za-z0-9]")
_CAPTION, _NAME, _TAGS, _LINE = 100, 40, 120, 300
_ADDRESS: Final = 80
"""Tokens that the address of a model may have in a list: of ids in Chinese it is three times as long as they are."""
_NEVER_NAMED: Final = "unknown licence"


@dataclass(frozen=True, slots=True)
class Reach:
    """How a 3D program of the agent's gets at models."""

    url: str
    """Of the API, as the agent's machine knows it."""
    needs_key: bool = False
    """Whether the key has to be sent with it."""

    def model(self, asset_id: str) -> str:
        """Where an asset's GLB is."""
        return f"{self.url}/assets/{quote(asset_id)}/model"


def tokens(text: str) -> int:
    """How many tokens a text is at most, by a rule that suits addresses, figures and Chinese, too."""
    return math.ceil(sum(math.ceil(len(piece) / 4) if piece.isascii() else 1.5 for piece in _PIECES.findall(text)))


def results_text(answer: SearchAnswer, reach: Reach, *, first: int = 1, head: str) -> str:
    """Results by number, as many as fit.

    Args:
        answer: Of the API.
        reach: To the models.
        first: Number of the first result.
        head: What they are results of.
    """
    if not answer.results:
        return f"{head}: nothing found. Use other words, or fewer filters."
    lines = [f"{head}: {len(answer.results)} results, best first; numbers are those on the picture."]
    if answer.nothing_close:
        lines.append("Even the best fits weakly: probably nothing here is like this.")
    if answer.partial:
        lines.append("A part of the library did not answer; better ones may be missing.")
    if reach.needs_key:
        lines.append("The glb addresses need the header 'Authorization: Bearer <key>'.")
    most = max(MOST_TOKENS, EACH_TOKENS * len(answer.results))
    left = most - tokens("\n".join(lines)) - tokens(_left_out(len(answer.results)))
    for place, result in enumerate(answer.results):
        row = _row(first + place, result, reach)
        left -= tokens(row)
        if left < 0:
            return "\n".join([*lines, _left_out(len(answer.results) - place)])
        lines.append(row)
    return "\n".join(lines)


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
    lines += [f"{item.asset_id}: {_cut(item.missing, _LINE)}" for item in told.items if item.missing]
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


def _row(place: int, result: Result, reach: Reach) -> str:
    caption = _cut(result.caption_en or result.caption_zh, _CAPTION)
    fits = f" [{result.relevance}]" if result.relevance else ""
    copies = f" (+{len(result.duplicates)} that look the same)" if result.duplicates else ""
    address = reach.model(result.asset_id)
    known = address if tokens(address) <= _ADDRESS else "by get_asset"
    glb = f"; glb {known}" if result.model_url else "; no model file"
    facts = f"{size_text(result.attributes)}; {licence_text(result.attributes)}"
    short = facts.replace(" (width x depth x height)", "")
    return f"{place}. {result.asset_id}{fits} {caption}{copies}\n   {short}{glb}"


def _left_out(count: int) -> str:
    return f"({count} more do not fit here: ask for fewer at once, or for the next by offset)"


def _cut(value: Any, most: int) -> str:
    """Plain words of at most so many characters; whatever libraries say of themselves, it stays one line."""
    text = " ".join(plain(str(value if value is not None else "")).split())
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else ""
