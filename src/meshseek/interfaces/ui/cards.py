"""The pieces of HTML on the page. Everything that comes from a library or a user is escaped here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from meshseek.interfaces.ui.client import Answer, Result
from meshseek.sizes import SIDES, number, sides_in_cm

LANGUAGES = {"english": "English", "chinese": "中文", "image": "Picture"}
ALGORITHM_NOTES = {
    "lite": "Small and built in: knows everyday objects, but does not see colours, materials or styles.",
    "siglip": "Sees colours, materials and shapes by their names; best with English words for what can be seen.",
    "qwen": "Reads long descriptions in English and Chinese alike; looks at all views of an asset at once.",
}
TARGET_NAMES = {"caption": "Captions", "appearance": "Appearance", "both": "Both", "words": "Exact words"}
AUTOMATIC = "Automatic"
FUSED = 0.1
"""Scores of targets that were fused by rank are smaller than this."""
LONG = 10
"""Centimetres from which on their fractions are left out."""
LICENCES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
}

HEADER = """
<header class="brand">
  <svg viewBox="0 0 32 32" width="40" height="40" aria-hidden="true">
    <path class="left" d="M4 9.5 16 16v13L4 22.5z"/><path class="right" d="M28 9.5 16 16v13l12-6.500z"/>
    <path class="top" d="M16 3 28 9.500 16 16 4 9.500z"/>
  </svg>
  <div><h1>Meshseek</h1><p>Find 3D models by words, in English or Chinese, or by a picture</p></div>
</header>
"""
NOTHING_CHOSEN = """
<div class="placeholder">
  <svg viewBox="0 0 32 32" width="52" height="52" aria-hidden="true" fill="none">
    <path d="M16 4 27 10v12L16 28 5 22V10zM5 10l11 6 11-6M16 16v12" stroke="currentColor" stroke-linejoin="round"/>
  </svg>
  <p>Choose a result to turn it around in&nbsp;3D</p>
</div>
"""


def problem(sentence: str) -> str:
    """What went wrong, in one sentence."""
    return f'<div class="notice problem" role="alert">{escape(sentence)}</div>'


def waiting(sentence: str) -> str:
    """What is being waited for."""
    return f'<div class="notice waiting" role="status"><i class="pulse"></i>{escape(sentence)}</div>'


def summary(answer: Answer, shown: int, like: str | None = None) -> str:
    """The line above the results.

    Args:
        answer: What the API said last.
        shown: How many results the page shows by now.
        like: Name of the asset that the results are similar to.
    """
    if not shown:
        return '<div class="notice" role="status">Nothing found. Try other words, or search in all categories.</div>'
    count = f"<b>{shown} result{'' if shown == 1 else 's'}</b>"
    about = f" similar to <b>{escape(like)}</b>" if like else ""
    took = f" in {max(round(answer.took_ms.total), 1)} ms" if answer.took_ms else ""
    language = LANGUAGES.get(answer.query_type or "")
    chip = f'<span class="language" title="Understood as">{language}</span>' if language else ""
    words = answer.translated_query
    translated = f'<span class="against">searched as “{escape(words)}”</span>' if words else ""
    target = TARGET_NAMES.get(answer.target, answer.target).lower()
    against = "captions and appearance" if answer.target == "both" else target
    return (
        f'<div class="summary" role="status"><span>{count}{about}{took}</span>{chip}{translated}'
        f'<span class="against">compared with {escape(against)}</span></div>'
    )


def note(algorithm: str) -> str:
    """What an algorithm is good at, and what the automatic comparison does."""
    known = ALGORITHM_NOTES.get(algorithm)
    about = f"<b>{escape(algorithm)}</b>: {known} " if known else ""
    return f"<p>{about}Automatic compares words with captions, and pictures with appearance.</p>"


def tile_caption(result: Result, *, chinese: bool) -> str:
    """Two parts, which the style sheet tells apart by their line: category and score, then the caption."""
    category = str(result.attributes.get("category") or "")
    above = f"{category[:18]} · {score(result)}" if category else score(result)
    return f"{above}\n{title(result, chinese=chinese)}"


def title(result: Result, *, chinese: bool = False) -> str:
    """The caption in the language of the query, or what there is instead."""
    captions = [result.caption_en, result.caption_zh]
    if chinese:
        captions.reverse()
    return next((caption for caption in captions if caption), result.asset_id)


def score(result: Result) -> str:
    """The score with as many digits as say something: fused scores are small."""
    return f"{result.score:.{2 if result.score >= FUSED else 3}f}"


def details(result: Result, trouble: str | None = None) -> str:
    """All that is known of an asset.

    Args:
        result: The asset.
        trouble: Why its model is not shown.
    """
    attributes = result.attributes
    rows = {
        "Category": _text(attributes.get("category")),
        "Library": _text(attributes.get("library")),
        "Size": size(attributes),
        "Faces": _number(attributes.get("faces")),
        "Tags": _text(attributes.get("tags")),
        "Creator": _text(attributes.get("creator")),
        "Licence": _licence(attributes.get("licence")),
        "Score": score(result),
        "Id": f"<code>{escape(result.asset_id)}</code>",
    }
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items() if value)
    chinese = f'<p lang="zh">{escape(result.caption_zh)}</p>' if result.caption_zh else ""
    english = f"<h2>{escape(result.caption_en)}</h2>" if result.caption_en else ""
    return f'<article class="asset">{problem(trouble) if trouble else ""}{english}{chinese}<dl>{facts}</dl></article>'


def _text(value: Any) -> str:
    return escape(", ".join(map(str, value)) if isinstance(value, list) else str(value or ""))


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else _text(value)


def size(attributes: Mapping[str, Any]) -> str:
    """Width, depth and height, and how sure their unit is where nobody states it."""
    sides = sides_in_cm(attributes)
    given = attributes.get("size")
    certainty = given.get("certainty") if isinstance(given, Mapping) else None
    if sides is not None and all(map(math.isfinite, sides)):
        told = " × ".join(f"{side:.{0 if side >= LONG else 1}f}" for side in sides)
        return f"{told} cm{', likely' if certainty == 'likely' else ''}"
    if certainty != "unknown" or not isinstance(given, Mapping):
        return ""
    box = [number(given.get(name)) for name in SIDES]
    return " × ".join(f"{side:.3g}" for side in box) + ", in an unknown unit" if all(map(math.isfinite, box)) else ""


def _licence(name: Any) -> str:
    url = LICENCES.get(str(name))
    return f'<a href="{url}" target="_blank" rel="noreferrer">{_text(name)}</a>' if url else _text(name)
