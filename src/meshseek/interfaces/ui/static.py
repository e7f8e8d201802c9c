"""Parts of the page that never change: in both languages, of which the style sheet shows the one of the page."""

from __future__ import annotations

import json
from pathlib import Path

from markupsafe import Markup

from meshseek.interfaces.ui.wording import COOKIE, catalogue

IN_BROWSER = "js."
"""Begins the keys of what the browser says by itself."""


def both(key: str) -> Markup:
    """A message in each language."""
    english, chinese = (catalogue()[key][name] for name in ("en", "zh"))
    return Markup('<span class="en" lang="en">{}</span><span class="zh" lang="zh-CN">{}</span>').format(
        english, chinese
    )


def head() -> str:
    """What the browser has before anything else: its own script, and the style of what Gradio has no part for."""
    said = {key: each for key, each in catalogue().items() if key.startswith(IN_BROWSER)}
    source = Path(__file__).with_name("page.js").read_text("utf-8")
    words = json.dumps(said, ensure_ascii=False).replace("</", "<\\/")
    style = Path(__file__).with_name("page.css").read_text("utf-8")
    return f"<style>{style}</style><script>{source.replace('__WORDS__', words).replace('__COOKIE__', COOKIE)}</script>"


HEADER = f"""
<header class="brand">
  <a href="?" class="home" aria-label="Meshseek">
  <svg viewBox="0 0 32 32" width="40" height="40" aria-hidden="true">
    <path class="left" d="M4 9.5 16 16v13L4 22.5z"/><path class="right" d="M28 9.5 16 16v13l12-6.500z"/>
    <path class="top" d="M16 3 28 9.500 16 16 4 9.500z"/>
  </svg></a>
  <div><h1>Meshseek</h1><p>{both("head.line")}</p></div>
</header>
<nav class="places">
  <a href="?place=basket">{both("head.basket")} <b id="basket-count"></b></a>
  <a href="?place=status">{both("head.status")}</a>
  <button type="button" data-do="language"><span class="en" lang="zh-CN">中文</span><span class="zh" lang="en">English</span></button>
</nav>
"""
PICTURE = f"""
<input id="picture-file" type="file" accept="image/*" hidden>
<button type="button" class="button" data-do="picture">
  <svg viewBox="0 0 20 20" aria-hidden="true"><rect x="2.500" y="3.500" width="15" height="13" rx="2"/><circle cx="7" cy="8" r="1.500"/><path d="m3 14 4-4 3.500 3.500L13 11l4 4"/></svg>
  {both("ask.picture")}</button>
"""
PAST = f'<details class="past" hidden><summary>{both("ask.past")}</summary><ul id="past"></ul></details>'
CLOSE = f"""
<button type="button" class="close" data-do="close" ><span class="unseen">{both("panel.close")}</span><span aria-hidden="true">×</span></button>
"""
