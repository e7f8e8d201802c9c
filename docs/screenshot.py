# ruff: noqa: INP001  # a script, not a package
"""Take the README's picture of a running page: ``python docs/screenshot.py http://127.0.0.1:7860``."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import Page, sync_playwright

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
WIDTH, HEIGHT = 1440, 1390
TARGET = Path(__file__).with_name("images") / "ui.png"
LARGEST = 600_000
"""Bytes from which on the picture is stored with a palette, which more than halves it."""
DRAWN = 60
"""Difference of greys in the 3D view from which on more than its background is seen."""
TRIES = 100
PAUSE_MS = 200


@click.command()
@click.argument("url")
@click.argument("query", default="wooden chair")
@click.option("--to", type=click.Path(path_type=Path), default=TARGET, show_default="docs/images/ui.png")
def main(url: str, query: str, to: Path) -> None:
    """Search on the page at URL, choose the first result, ask why it is there, and store what is seen."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        sys.exit("the screenshot needs Chromium; install it with 'apt-get install chromium'")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program, args=FLAGS) as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-US")
        page.goto(url)
        _search(page, query)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    to.parent.mkdir(parents=True, exist_ok=True)
    picture.save(to, optimize=True)
    if to.stat().st_size > LARGEST:
        picture.quantize(dither=Image.Dither.FLOYDSTEINBERG).save(to, optimize=True)
    click.echo(f"{to}: {to.stat().st_size // 1000} kB")


def _search(page: Page, query: str) -> None:
    box = page.get_by_placeholder("Describe what you are looking for")
    box.fill(query)
    box.press("Enter")
    page.locator("#gallery button.thumbnail-item").first.click()
    canvas = page.locator("#model canvas")
    canvas.wait_for()
    for _ in range(TRIES):
        page.wait_for_timeout(PAUSE_MS)
        if _contrast(Image.open(io.BytesIO(canvas.screenshot()))) > DRAWN:
            break
    else:
        sys.exit("nothing was drawn in the 3D view")
    page.locator("#details summary").click()
    box.blur()
    page.mouse.move(WIDTH - 1, HEIGHT - 1)
    page.wait_for_timeout(PAUSE_MS * 5)


def _contrast(view: Image.Image) -> float:
    """Difference of greys in the middle, where no buttons are."""
    middle = view.convert("L").crop((view.width // 4, view.height // 4, view.width * 3 // 4, view.height * 3 // 4))
    values = middle.tobytes()
    return max(values) - min(values)


if __name__ == "__main__":
    main()
