"""Parts of the page that never change: in both languages, of which the style sheet shows the one of the page."""

from __future__ import annotations

import json
from pathlib import Path

import gradio
from markupsafe import Markup

from meshseek.interfaces.ui.basket import MOST_TAKEN
from meshseek.interfaces.ui.events import EVENT
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.tiles_shown import DENSE
from meshseek.interfaces.ui.uploads import PICTURE_BYTES, UPLOAD
from meshseek.interfaces.ui.wording import COOKIE, Wording, catalogue

VIEWER = ("Canvas3D", "lib", "webgpuEngine", "glTFLoader", "pbrMaterialLoadingAdapter", "pbr.vertex", "pbr.fragment")
"""What Gradio's 3D view loads when the first model is looked at: most of a second's work."""
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


def viewer() -> list[str]:
    """Addresses of that, for browsers to fetch while nobody waits; the names have each version's own endings."""
    folder = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    return sorted(f"/assets/{file.name}" for name in VIEWER for file in folder.glob(f"{name}-*.js"))


def script() -> str:
    """What the browser runs before anything else."""
    said = {key: each for key, each in catalogue().items() if key.startswith(IN_BROWSER)}
    source = Path(__file__).with_name("page.js").read_text("utf-8")
    given = {"SAID": said, "COOKIE": COOKIE, "DENSE": DENSE, "MOST_TAKEN": MOST_TAKEN, "PICTURE_BYTES": PICTURE_BYTES}
    given |= {"EVENT": EVENT, "UPLOAD": UPLOAD, "VIEWER": viewer()}
    told = json.dumps(given, ensure_ascii=False).replace("</", "<\\/")
    hidden = "<style>html:lang(zh) .en, html:lang(en) .zh { display: none; }</style>"
    return f"{hidden}<script>{source.replace('__GIVEN__', told)}</script>"


def _piece(name: str, **given: str) -> Markup:
    return piece(name, Wording("en"), both=both, **given)


HEADER = _piece("header", product="Meshseek", chinese="中文", english="English")
PICTURE, PAST, CLOSE = (_piece(name) for name in ("picture", "past", "close"))
