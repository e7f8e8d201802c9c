"""The page as people and programs see it: a front end that is a process, Chromium, and events without a browser."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.conftest import free_port, until_it_listens

FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
PATIENCE = 30_000
"""Milliseconds that the page may take for anything; the machine may be busy."""


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    expect.set_options(timeout=PATIENCE)
    assert program, "the page's tests need Chromium; install it with 'apt-get install chromium'"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@contextlib.contextmanager
def visiting(browser: Browser, *, quiet: bool = True, **options: Any) -> Iterator[BrowserContext]:
    """A visitor; none of the pages may contact another machine, fail, or complain on the console.

    Args:
        browser: In which.
        quiet: Whether nothing may be said on the console either; where servers are away, browsers tell of it there.
        options: Of the visitor's browser, such as ``locale``.
    """
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-US", **options})
    context.set_default_timeout(PATIENCE)
    elsewhere: list[str] = []
    failures: list[str] = []
    context.on("request", lambda request: elsewhere.extend([] if is_ours(request.url) else [request.url]))
    context.on("weberror", lambda error: failures.append(str(error.error)))
    if quiet:
        context.on("console", lambda said: failures.extend([said.text] if is_complaint(said) else []))
    yield context
    context.close()
    assert elsewhere == []
    assert failures == []


def is_complaint(said: ConsoleMessage) -> bool:
    """Whether it is an error of the page; the 3D view tries WebGPU first, which this browser has not."""
    return said.type == "error" and "WebGPU" not in said.text


def is_ours(url: str) -> bool:
    """Whether a request stays on this machine."""
    return url.startswith(("data:", "blob:")) or urlsplit(url).hostname == "127.0.0.1"


@contextlib.contextmanager
def serving_page(
    api_url: str, log: Path, *options: str, port: int = 0, tracebacks_allowed: bool = False, **environment: str
) -> Iterator[str]:
    """Run the page as a process of its own; the value is its address."""
    port = port or free_port()
    command = [sys.executable, "-m", "meshseek.interfaces.ui", "--port", str(port), "--api-url", api_url, *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment})
    url = f"http://127.0.0.1:{port}"
    try:
        until_it_listens(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(30)
    assert tracebacks_allowed or "Traceback" not in log.read_text()


def opened(page: Page, url: str) -> Page:
    """The page, once its first question is answered: until then its script is still putting parts in their places."""
    with page.expect_response(lambda response: urlsplit(response.url).path == "/gradio_api/run/predict"):
        page.goto(url)
    return page


def search(page: Page, words: str) -> None:
    """Type words and press Enter."""
    box = page.locator("#words").locator("input, textarea")
    box.fill(words)
    box.press("Enter")


def results(page: Page) -> Locator:
    """The tiles of the results, once no others are on their way."""
    return page.locator("#results:not([aria-busy]) .tile-link")


def seen_in_3d(page: Page) -> Locator:
    """The canvas of the 3D view, once something is drawn on it."""
    canvas = page.locator("#model canvas")
    canvas.wait_for()
    deadline = time.monotonic() + PATIENCE / 1000
    while spread(canvas) < 60:
        assert time.monotonic() < deadline, "nothing was drawn in the 3D view"
        page.wait_for_timeout(200)
    return canvas


def spread(canvas: Locator) -> int:
    """Difference between the darkest and the lightest grey in the middle; the background alone has few."""
    picture = Image.open(io.BytesIO(canvas.screenshot())).convert("L")
    middle = picture.crop((picture.width // 4, picture.height // 4, picture.width * 3 // 4, picture.height * 3 // 4))
    darkest, lightest = middle.getextrema()
    assert isinstance(darkest, int)
    assert isinstance(lightest, int)
    return lightest - darkest


@dataclass(frozen=True)
class Events:
    """Asks a page what its own script would ask."""

    client: httpx.Client
    config: dict[str, Any]

    @classmethod
    def of(cls, client: httpx.Client) -> Events:
        """Of the page that a client is shown."""
        found = re.search(r"window\.gradio_config = (.*?);</script>", client.get("/").text, re.DOTALL)
        assert found
        return cls(client, json.loads(found[1]))

    def show(self, address: str, session: str, **more: Any) -> httpx.Response:
        """Ask for what an address shows."""
        event = next(each for each in self.config["dependencies"] if each["inputs"] and each["backend_fn"])
        values = ["", address, "", None]
        body = {"fn_index": event["id"], "data": values, "session_hash": session, **more}
        return self.client.post("/gradio_api/run/predict", json=body)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The events that the server answers."""
        return [event for event in self.config["dependencies"] if event["backend_fn"]]
