"""Take the README's pictures of a running page: ``python -m scripts.screenshot http://127.0.0.1:7860``."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from PIL import Image
from playwright.sync_api import Browser
from tests.browsing import launched, seen_in_3d

FOLDER = Path(__file__).parents[1] / "docs" / "images"
LARGEST = 400_000
"""Bytes from which on a picture is stored with a palette, which more than halves it."""
PAUSE_MS = 200
SCREEN, PHONE = (1440, 1080), (390, 844)


@dataclass(frozen=True)
class Shot:
    """One of the pictures."""

    name: str
    address: str
    size: tuple[int, int] = SCREEN
    locale: str = "en-US"
    dark: bool = False
    chosen: bool = False
    """Whether the first result is looked at."""


SHOTS = (
    Shot("start", ""),
    Shot("results", "?q=wooden+chair"),
    Shot("panel", "?q=wooden+chair", chosen=True),
    Shot("combined", "?q=chair&q*-0.5=wooden"),
    Shot("chinese", "?q=沙发", locale="zh-CN", chosen=True),
    Shot("phone", "?q=wooden+chair", size=PHONE, chosen=True),
    Shot("dark", "?q=table+lamp", dark=True, chosen=True),
)


@click.command()
@click.argument("url")
@click.option("--to", type=click.Path(path_type=Path), default=FOLDER, show_default="docs/images")
@click.option("--against", help="Name of a second algorithm: also take a picture of both side by side.")
def main(url: str, to: Path, against: str | None) -> None:
    """Take all pictures of the page at URL."""
    to.mkdir(parents=True, exist_ok=True)
    compared = [Shot("compare", f"?q=wooden+chair&against={against}")] if against else []
    with launched() as browser:
        for shot in (*SHOTS, *compared):
            picture = _taken(browser, url, shot)
            file = to / f"{shot.name}.png"
            picture.save(file, optimize=True)
            if file.stat().st_size > LARGEST:
                picture.quantize(dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)
            click.echo(f"{file}: {file.stat().st_size // 1000} kB")


def _taken(browser: Browser, url: str, shot: Shot) -> Image.Image:
    width, height = shot.size
    options: dict[str, Any] = {"color_scheme": "dark" if shot.dark else "light", "locale": shot.locale}
    page = browser.new_page(viewport={"width": width, "height": height}, **options)
    page.goto(f"{url}/{shot.address}")
    page.locator("#results .tile-link").first.wait_for()
    if shot.chosen:
        page.locator("#results .tile-link").first.click()
        seen_in_3d(page)
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(width - 1, height - 1)
    page.wait_for_timeout(PAUSE_MS * 5)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return picture


if __name__ == "__main__":
    main()
