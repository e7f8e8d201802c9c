"""Measures the page in a browser: until it is usable, until tiles and models are seen, and what searches leave behind.

Run it with ``make bench-page ARGS="http://127.0.0.1:7860"`` beside a running ``meshseek ui`` and its API.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
from common import Report
from playwright.sync_api import Browser, CDPSession, Page
from tests.browsing import launched, results, seen_in_3d

LOOK_MS = 2000
"""How long somebody looks at results before they choose one."""
TIMES = 5
"""How often the page is opened, and a model is looked at."""
SEARCHES = 200
MODEL_BYTES = 1_000_000
EXAMINED = 200
"""Assets among which the one whose model is closest to that is looked for."""
LIMITS = {"usable": 1500.0, "tiles": 250.0, "panel": 1000.0}
"""Milliseconds: the goals."""
LOOKS = ("old", "modern", "wooden", "metal", "small", "large", "round", "simple", "red", "white", "black", "kitchen")
THINGS = (
    "chair",
    "table",
    "lamp",
    "sofa",
    "bed",
    "cupboard",
    "plant",
    "door",
    "window",
    "desk",
    "shelf",
    "mirror",
    "clock",
    "vase",
    "oven",
    "bath",
)
CLOCK = "addEventListener('keydown', (event) => { if (event.key === 'Enter') window.asked = performance.now(); }, true)"
DRAWN = """
  const drawn = WebGL2RenderingContext.prototype.drawElements;
  WebGL2RenderingContext.prototype.drawElements = function (...given) {
    drawn.apply(this, given);
    if (window.seen || this.getParameter(this.FRAMEBUFFER_BINDING)) return;
    const [width, height] = [this.drawingBufferWidth, this.drawingBufferHeight];
    const pixels = new Uint8Array(4 * width * height);
    this.readPixels(0, 0, width, height, this.RGBA, this.UNSIGNED_BYTE, pixels);
    let covered = 0;
    for (let at = 3; at < pixels.length; at += 4) covered += pixels[at] > 0;
    if (covered > 0.01 * width * height) requestAnimationFrame(() => { window.seen = performance.now(); });
  };
  addEventListener('click', () => { window.asked = performance.now(); window.seen = 0; }, true);
"""
"""Notes when a model is seen: the frame after the first one in which it covers a part of the canvas."""
SEEN = """() => new Promise((resolve) => {
  const look = () => { if (window.seen) resolve(window.seen - window.asked); else setTimeout(look, 20); };
  look();
})"""
COMPLETE = """(words) => new Promise((resolve) => {
  const look = () => {
    const title = document.querySelector('#results [data-title]')?.dataset.title;
    const pictures = [...document.querySelectorAll('#results .tile img')]
      .filter((each) => each.getBoundingClientRect().top < innerHeight);
    const isThere = title === words && pictures.length && pictures.every((each) => each.complete && each.naturalWidth);
    if (isThere && !document.body.classList.contains('asking')) resolve(performance.now() - (window.asked || 0));
    else requestAnimationFrame(look);
  };
  look();
})"""
"""Milliseconds from Enter, or from when the page was opened, until all tiles on the screen have their pictures."""


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("url", help="of the page")
    parser.add_argument("--api-url", default="http://127.0.0.1:8000")
    parser.add_argument("--searches", type=int, default=SEARCHES)
    parser.add_argument("--json", type=Path, help="write everything to this file")
    arguments = parser.parse_args()
    report = Report(f"The page, over {httpx.get(f'{arguments.api_url}/assets').json()['total']:,} assets")
    with launched() as browser:
        opening = list(opened(browser, arguments.url))
        report.table("opened and seen", [*opening, *searched(browser, arguments.url)])
        report.table("a model", [looked_at(browser, arguments.url, arguments.api_url)])
        report.table("left behind", list(left_behind(browser, arguments)))
    report.write(arguments.json)


def opened(browser: Browser, url: str) -> Iterator[dict[str, Any]]:
    """A first visit, and another one after a look; until the words can be typed and tiles are seen."""
    for name, is_first in (("usable, first visit", True), ("usable, again", False)):
        took = []
        for _ in range(TIMES):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            for _ in range(1 if is_first else 2):
                page = context.new_page()
                page.goto(url)
                milliseconds = page.evaluate(COMPLETE, "")
                page.wait_for_timeout(LOOK_MS)
            took.append(milliseconds)
            context.close()
        yield _row(name, took, "usable")


def searched(browser: Browser, url: str) -> Iterator[dict[str, Any]]:
    """Words that nobody asked for yet, and the same again."""
    page = _ready(browser, url)
    asked = list(islice(_words(), 30))
    yield _row("tiles, new words", [_search(page, words) for words in asked], "tiles")
    yield _row("tiles, asked before", [_search(page, words) for words in asked], "tiles")
    page.context.close()


def looked_at(browser: Browser, url: str, api_url: str) -> dict[str, Any]:
    """From the click on a tile, after a look at the results, until the model is drawn; each page is opened anew."""
    asset_id, size = _model_of(api_url)
    page, took = _ready(browser, url), []
    page.add_init_script(DRAWN)
    for _ in range(TIMES + 1):
        page.goto(f"{url}/?like={asset_id}")
        results(page).first.wait_for()
        page.wait_for_timeout(LOOK_MS)
        page.locator(f'#results .tile-link[data-asset="{asset_id}"]').click()
        took.append(page.evaluate(SEEN))
        seen_in_3d(page)
    page.context.close()
    return {"GLB bytes": size, "first": took[0], **_row("panel", took[1:], "panel")}


class Held(NamedTuple):
    """What the page and its servers hold."""

    heap: float
    """MB, of the browser's page."""
    nodes: int
    listeners: int
    memory: float
    """MB, of the page's server and of the API."""
    files: int
    """Open ones of both."""

    @classmethod
    def by(cls, page: Page, session: CDPSession, servers: list[psutil.Process]) -> Held:
        """By a page, once what nobody needs is thrown away."""
        page.wait_for_timeout(1000)
        session.send("HeapProfiler.collectGarbage")
        counted = session.send("Memory.getDOMCounters")
        heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
        memory = sum(server.memory_info().rss for server in servers) / 1e6
        return cls(heap, counted["nodes"], counted["jsEventListeners"], memory, sum(each.num_fds() for each in servers))


def left_behind(browser: Browser, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What is held before and after as many searches, twice; the first lot fills what is kept on purpose."""
    page = _ready(browser, arguments.url)
    session = page.context.new_cdp_session(page)
    servers = [_listening(url) for url in (arguments.url, arguments.api_url)]
    words = _words()
    for name in ("before", f"after {arguments.searches}", f"after {2 * arguments.searches}"):
        if name != "before":
            for each in islice(words, arguments.searches):
                _search(page, each)
        yield {"searches": name, **Held.by(page, session, servers)._asdict()}
    page.context.close()


def _ready(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(CLOCK)
    page.goto(url)
    page.evaluate(COMPLETE, "")
    return page


def _search(page: Page, words: str) -> float:
    box = page.locator("#words").locator("input, textarea")
    box.fill(words)
    box.press("Enter")
    milliseconds: float = page.evaluate(COMPLETE, words)
    return milliseconds


def _words() -> Iterator[str]:
    """Words by two; each pair once, then all of them again."""
    return (f"{look} {thing}" for look, thing in cycle(product(LOOKS, THINGS)))


def _model_of(api_url: str) -> tuple[str, int]:
    """The asset whose model is closest to a megabyte, and its size."""
    found = httpx.get(f"{api_url}/assets", params={"limit": EXAMINED, "sort": "-faces"}).json()["assets"]
    sizes = {each["asset_id"]: _size(f"{api_url}{each['model_url']}") for each in found if each["model_url"]}
    return min(sizes.items(), key=lambda pair: abs(pair[1] - MODEL_BYTES))


def _size(url: str) -> int:
    """Bytes that an address leads to."""
    with httpx.stream("GET", url) as answer:
        return int(answer.headers["content-length"])


def _listening(url: str) -> psutil.Process:
    """The process behind an address of this machine."""
    port = urlsplit(url).port or 80
    sockets = psutil.net_connections("tcp")
    by_port = {each.laddr.port: each.pid for each in sockets if each.laddr and each.status == psutil.CONN_LISTEN}
    return psutil.Process(by_port[port])


def _row(name: str, took: list[float], limit: str) -> dict[str, Any]:
    p50, p95 = (float(value) for value in np.percentile(took, [50, 95]))
    return {"what": name, "times": len(took), "p50 ms": p50, "p95 ms": p95, "p50 / limit": p50 / LIMITS[limit]}


if __name__ == "__main__":
    main()
