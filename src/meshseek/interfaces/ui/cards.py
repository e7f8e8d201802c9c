"""The pieces of HTML on the page. Everything that comes from a library or a user is escaped here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from meshseek.interfaces.ui.answers import Answer, Result
from meshseek.interfaces.ui.explanation import PART_NAMES, figure
from meshseek.sizes import SIDES, number, sides_in_cm

LANGUAGES = {"english": "English", "chinese": "中文", "image": "Picture"}
ALGORITHM_NOTES = {
    "lite": "Small and built in: knows everyday objects, but does not see colours, materials or styles.",
    "siglip": "Sees colours, materials and shapes by their names; best with English words for what can be seen.",
    "qwen": "Reads long descriptions in English and Chinese alike; looks at several views of an asset at once.",
}
TARGET_NAMES = {**PART_NAMES, "both": "Both"}
RELEVANCE_NAMES = {"strong": "Fits well", "fair": "May fit", "weak": "Far off"}
AUTOMATIC = "Automatic"
LINE = 25
"""Characters that the first line on a tile holds."""
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
NOTHING_CLOSE = """
<div class="notice far" role="status"><b>Probably nothing here is like this.</b> These are the nearest.</div>
"""
PARTIAL = """
<div class="notice far" role="status"><b>Some of the library does not answer.</b> Better results may be missing.</div>
"""
COMPARING = """
<p>Automatic compares words with captions, appearance and exact words, and a picture with appearance. <b>Cross-modal</b>
compares words with appearance only, and a picture with captions; it goes with Automatic, and choosing something else
switches it off.</p>
"""


def problem(sentence: str) -> str:
    """What went wrong, in one sentence."""
    return f'<div class="notice problem" role="alert">{escape(sentence)}</div>'


def waiting(sentence: str) -> str:
    """What is being waited for."""
    return f'<div class="notice waiting" role="status"><i class="pulse"></i>{escape(sentence)}</div>'


def account(name: str | None) -> str:
    """Whose key is used, and a way out.

    Args:
        name: Of the key.
    """
    return (
        f'<form class="account" method="post" action="/sign-out"><span>{escape(name or "")}</span>'
        '<button>Sign out <span lang="zh">退出</span></button></form>'
    )


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
    near = f"{PARTIAL if answer.partial else ''}{NOTHING_CLOSE if answer.nothing_close else ''}"
    return (
        f'{near}<div class="summary" role="status"><span>{count}{about}{took}</span>{chip}{translated}'
        f'<span class="against">{escape(_compared(answer))}</span></div>'
    )


def _compared(answer: Answer) -> str:
    """What the results rest on, in words."""
    target = TARGET_NAMES.get(answer.target, answer.target).lower()
    if answer.target == "both":
        target = "captions and appearance" if answer.query_type == "image" else "captions, appearance and exact words"
    crossing = ", cross-modal" if answer.cross_modal else ""
    order = f"; put in order by {answer.reranked_by}" if answer.reranked_by else ""
    return f"compared with {target}{crossing}{order}{f'; {answer.note}' if answer.note else ''}"


def note(algorithm: str) -> str:
    """What an algorithm is good at, and what the ways of comparing do."""
    known = ALGORITHM_NOTES.get(algorithm)
    about = f"<p><b>{escape(algorithm)}</b>: {known}</p>" if known else ""
    return f"{about}{COMPARING}"


def tile_caption(result: Result, *, chinese: bool) -> str:
    """Two parts, which the style sheet tells apart by their line: relevance and category, then the caption."""
    category = str(result.attributes.get("category") or "")
    fit = relevance(result) or figure(result.score)
    room = LINE - len(f"{fit} · ")
    short = category if len(category) <= room else f"{category[: room - 1].rstrip()}…"
    return (
        f"{fit} · {short}\n{title(result, chinese=chinese)}" if category else f"{fit}\n{title(result, chinese=chinese)}"
    )


def relevance(result: Result) -> str:
    """How well a result fits, in words; empty where an older API does not say."""
    return RELEVANCE_NAMES.get(result.relevance or "", "")


def title(result: Result, *, chinese: bool = False) -> str:
    """The caption in the language of the query, or what there is instead."""
    captions = [result.caption_en, result.caption_zh]
    if chinese:
        captions.reverse()
    return next((caption for caption in captions if caption), result.asset_id)


def details(result: Result, reasons: str, trouble: str | None = None) -> str:
    """All that is known of an asset.

    Args:
        result: The asset.
        reasons: Why it was found, as HTML.
        trouble: Why its model is not shown.
    """
    attributes = result.attributes
    rows = {
        "Relevance": _relevance(result),
        "Category": _text(attributes.get("category")),
        "Library": _text(attributes.get("library")),
        "Size": size(attributes),
        "Faces": _number(attributes.get("faces")),
        "Tags": _text(attributes.get("tags")),
        "Creator": _text(attributes.get("creator")),
        "Licence": _licence(attributes.get("licence")),
        "Id": f"<code>{escape(result.asset_id)}</code>",
    }
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items() if value)
    chinese = f'<p lang="zh">{escape(result.caption_zh)}</p>' if result.caption_zh else ""
    english = f"<h2>{escape(result.caption_en)}</h2>" if result.caption_en else ""
    head = f"{problem(trouble) if trouble else ''}{english}{chinese}"
    return f'<article class="asset">{head}<dl>{facts}</dl>{reasons}</article>'


def _relevance(result: Result) -> str:
    words = relevance(result)
    return f'<span class="relevance {result.relevance}">{words}</span>' if words else ""


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
