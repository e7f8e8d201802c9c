"""Parts of the page that never change: in both languages, of which the style sheet shows the one of the page."""

from __future__ import annotations

import json
from pathlib import Path

from markupsafe import Markup

from meshseek.interfaces.ui.basket import MOST_TAKEN
from meshseek.interfaces.ui.events import EVENT
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.tiles_shown import DENSE
from meshseek.interfaces.ui.uploads import PICTURE_BYTES, UPLOAD
from meshseek.interfaces.ui.viewer import modules
from meshseek.interfaces.ui.wording import COOKIE, Wording, catalogue

IN_BROWSER = "js."
"""Begins the keys of what the browser says by itself."""


def both(key: str) -> Markup:
    """A message in each language."""
    english, chinese = (catalogue()[key][name] for name in ("en", "zh"))
    return Markup('<span class="en" lang="en">{}</span><span class="zh" lang="zh-CN">{}</span>').format(
        english, chinese
    )


def style() -> str:
    """How that looks which Gradio has no part for; in the head its selectors are left as they are."""
    return f"<style>{Path(__file__).with_name('page.css').read_text('utf-8')}</style>"


def script() -> str:
    """What the browser runs before anything else."""
    said = {key: each for key, each in catalogue().items() if key.startswith(IN_BROWSER)}
    source = Path(__file__).with_name("page.js").read_text("utf-8")
    given = {"SAID": said, "COOKIE": COOKIE, "DENSE": DENSE, "MOST_TAKEN": MOST_TAKEN, "PICTURE_BYTES": PICTURE_BYTES}
    given |= {"EVENT": EVENT, "UPLOAD": UPLOAD, "VIEWER": modules()}
    told = json.dumps(given, ensure_ascii=False).replace("</", "<\\/")
    hidden = "<style>html:lang(zh) .en, html:lang(en) .zh { display: none; }</style>"
    return f"{hidden}<script>{source.replace('__GIVEN__', told)}</script>"


def _piece(name: str, **given: str) -> Markup:
    return piece(name, Wording("en"), both=both, **given)


HEADER = _piece("header", product="Meshseek", chinese="中文", english="English")
PICTURE, PAST, CLOSE = (_piece(name) for name in ("picture", "past", "close"))
