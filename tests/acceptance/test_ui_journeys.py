"""Longer ways through the page: browsing, collecting, comparing; by keys alone, on a phone, in the dark."""

from __future__ import annotations

import io
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from tests.browsing import PATIENCE, opened, results, search, seen_in_3d, visiting
from tests.sample_library import BARE_ID

from meshseek.interfaces.ui.viewer import neutral_environment

COLOURED = 0.02
"""Share of a picture that a coloured model takes at least."""
SETTLED_MS = 500
"""In which pictures that were on their way arrive."""
PHONE, SCREEN = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


def test_the_library_is_browsed(context: BrowserContext, ui_url: str, api_url: str) -> None:
    """Without a query it is all there: counted, by category, sorted, filtered by numbers."""
    total = httpx.get(f"{api_url}/assets").json()["total"]
    page = opened(context.new_page(), ui_url)
    expect(page.locator("#summary")).to_contain_text(f"{total} models")
    expect(results(page)).to_have_count(min(total, 24))
    page.get_by_label("Sort by").select_option("name")
    expect(page).to_have_url(re.compile("sort=name"))
    first = httpx.get(f"{api_url}/assets", params={"sort": "name", "limit": 1}).json()["assets"][0]["asset_id"]
    expect(results(page).first).to_have_attribute("data-asset", first)
    page.locator(".categories a").first.click()
    expect(page.locator("#chips a").first).to_contain_text("Category: ")
    page.locator("#chips a").first.click()
    page.get_by_label("Faces, at least").fill("0")
    page.get_by_label("Faces, at least").press("Tab")
    assert "f.faces" not in page.url
    page.get_by_label("Faces, at most").fill("1")
    page.get_by_label("Faces, at most").press("Tab")
    expect(page).to_have_url(re.compile(r"f\.faces=0\.\.1(&|$)"))
    expect(page.locator("#results .empty")).to_contain_text("Nothing found")
    page.get_by_role("link", name="Search without filters").click()
    expect(results(page).first).to_be_visible()
    opened(page, f"{ui_url}/?place=status")
    expect(page.locator(".status")).to_contain_text(re.compile(rf"lite\s+ready\s+Assets{total}English"))


def test_assets_are_collected(context: BrowserContext, ui_url: str) -> None:
    """From tiles and the panel into the basket, which names their licences, warns, and gives a zip; and is emptied."""
    page = opened(context.new_page(), f"{ui_url}/?place=basket")
    expect(page.locator(".basket")).to_contain_text("The basket is empty")
    search(page, "chair")
    for place in range(2):
        results(page).nth(place).hover()
        page.locator("#results .take").nth(place).click()
    expect(page.locator("#basket-count")).to_have_text("2")
    page.get_by_role("link", name=re.compile("^Basket")).click()
    expect(results(page)).to_have_count(2)
    expect(page.locator(".basket")).to_contain_text("Attribution")
    page.get_by_label("Meant for").select_option("commercial")
    expect(page.locator(".basket")).to_contain_text("All of these may be used for this.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all 2").click()
    names = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())).namelist()
    assert {"ATTRIBUTION.md", "attribution.csv"} <= set(names)
    assert sum(name.endswith(".glb") for name in names) == 2

    other = opened(context.new_page(), ui_url)
    expect(other.locator("#basket-count")).to_have_text("2")
    page.once("dialog", lambda asked: asked.dismiss())
    page.get_by_role("button", name="Empty it").click()
    expect(results(page)).to_have_count(2)
    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Empty it").click()
    expect(page.locator(".basket")).to_contain_text("empty")
    page.evaluate("""() => localStorage.setItem('meshseek-basket', '["gone/for-ever", 7]')""")
    opened(page, f"{ui_url}/?place=basket")
    expect(page.locator(".basket")).to_contain_text("empty")


def test_words_with_a_minus_are_left_out(context: BrowserContext, ui_url: str) -> None:
    """They become parts that count against; the box holds what is wanted, and other words leave the rest as it is."""
    page = opened(context.new_page(), ui_url)
    search(page, "t-shirt chair")
    search(page, 't-shirt chair -"office chair" -red')
    expect(page).to_have_url(f"{ui_url}/?q=t-shirt+chair&q*-0.5=office+chair&q*-0.5=red")
    expect(page.locator(".part.without .what")).to_have_text(["office chair", "red"])
    expect(page).to_have_title("t-shirt chair − office chair − red · Meshseek")
    search(page, "lamp -red")
    expect(page).to_have_url(f"{ui_url}/?q=lamp&q*-0.5=office+chair&q*-0.5=red")
    expect(page.locator("#words").locator("input, textarea")).to_have_value("lamp")
    search(page, "lamp  -“table lamp” －office")
    expect(page.locator(".part.without .what")).to_have_text(["office chair", "red", "table lamp", "office"])
    expect(page.locator("#words").locator("input, textarea")).to_have_value("lamp")
    opened(page, f"{ui_url}/?q*0=chair&like={BARE_ID}")
    search(page, "lamp")
    expect(page).to_have_url(f"{ui_url}/?q=lamp&q*0=chair&like={BARE_ID}")
    opened(page, ui_url)
    search(page, "-red")
    expect(page).to_have_url(f"{ui_url}/?q=-red")


def test_an_input_method_has_its_keys(context: BrowserContext, ui_url: str) -> None:
    """Who types Chinese chooses characters by the arrows and Enter; nothing is asked, and nothing loses the focus."""
    page = opened(context.new_page(), ui_url)
    box = page.locator("#words").locator("input, textarea")
    box.fill("yizi")
    for key, how in (("ArrowDown", "isComposing: true"), ("Enter", "isComposing: true"), ("Enter", "keyCode: 229")):
        box.evaluate(f"box => box.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', {how}, bubbles: true}}))")
    expect(box).to_be_focused()
    expect(page).to_have_url(f"{ui_url}/")
    box.press("Enter")
    expect(page).to_have_url(f"{ui_url}/?q=yizi")


def test_the_panel_stands_beside_what_was_clicked(context: BrowserContext, ui_url: str) -> None:
    """However far down the list that is; though the list has become longer, the tile is still to be seen."""
    page = opened(context.new_page(), f"{ui_url}/?q=chair")
    last = results(page).last
    last.click()
    for part in (page.locator("#close"), last):
        expect(part).to_be_in_viewport()


def test_white_is_white_in_3d(context: BrowserContext, ui_url: str) -> None:
    """Its light is the grey one, and the viewer can read it."""
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    with page.expect_response(re.compile("defaultEnvironment-.*js")) as light:
        seen_in_3d(opened(page, f"{ui_url}/?asset={BARE_ID}"))
    assert light.value.text() == (neutral_environment() or ("", ""))[1]
    assert not [text for text in said if "environment texture" in text]


def test_nothing_of_what_was_found_before_stays(context: BrowserContext, ui_url: str) -> None:
    """Searches replace each other: the browser keeps no results that are shown no longer."""
    page = opened(context.new_page(), ui_url)
    session = context.new_cdp_session(page)
    held = []
    for things in (("chair", "lamp"), ("sofa", "table", "cup", "bed", "chair", "lamp")):
        for words in things:
            search(page, words)
            expect(page).to_have_title(f"{words} · Meshseek")
        page.wait_for_timeout(SETTLED_MS)
        session.send("HeapProfiler.collectGarbage")
        held.append(session.send("Memory.getDOMCounters")["nodes"])
    assert held[1] < 1.5 * held[0]


def test_copies_stand_behind_the_first(context: BrowserContext, ui_url: str) -> None:
    """Assets that look the same are one tile, whose panel names them; all are shown where somebody wants that."""
    page = opened(context.new_page(), f"{ui_url}/?q=antique+chair")
    stacked = page.locator("#results .stacked .tile-link")
    expect(stacked).to_contain_text("and one like it")
    stacked.click()
    copies = page.locator("#details dd", has_text="show all")
    copies.get_by_role("link").first.click()
    expect(page.locator("#details code").first).to_have_text(re.compile("chair-0001|椅子"))
    opened(page, f"{ui_url}/?q=antique+chair")
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Show copies one by one").check()
    expect(page).to_have_url(re.compile("copies=1"))
    expect(stacked).to_have_count(0)
    expect(results(page).first).to_be_visible()


def test_a_compressed_model_is_shown(context: BrowserContext, ui_url: str) -> None:
    """Its picture, which browsers cannot read, was decoded at import: all of it is where the red meets the blue."""
    page = opened(context.new_page(), f"{ui_url}/?asset={BARE_ID}")
    canvas = seen_in_3d(page)
    deadline = time.monotonic() + PATIENCE / 1000
    while not is_purple(canvas):
        assert time.monotonic() < deadline, "the model has no colour"
        page.wait_for_timeout(200)


def test_all_is_done_by_keys(context: BrowserContext, ui_url: str) -> None:
    """Who has no mouse searches, goes through the tiles, looks at one, unfolds its reasons, and comes back."""
    page = opened(context.new_page(), ui_url)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.insert_text("chair")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("results")
    page.keyboard.press("ArrowDown")
    expect(results(page).first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(results(page).nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#details .why summary").first).to_be_visible()
    page.locator("#details .why summary").first.press("Enter")
    expect(page.locator("#details").get_by_text("Score", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#details")).to_be_hidden()
    expect(results(page).nth(1)).to_be_focused()


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": SCREEN},
        {"viewport": SCREEN, "color_scheme": "dark", "locale": "zh-CN"},
        {"viewport": PHONE, "locale": "zh-CN"},
        {"viewport": PHONE, "color_scheme": "dark"},
    ],
    ids=["light", "dark-zh", "phone-zh", "phone-dark"],
)
def test_nothing_is_in_the_way_of_anybody(browser: Browser, ui_url: str, options: dict[str, Any]) -> None:
    """Axe finds nothing serious; nothing is wider than the screen; a phone shows the chosen asset over the list."""
    with visiting(browser, reduced_motion="reduce", **options) as context:
        page = opened(context.new_page(), ui_url)
        results(page).first.wait_for()
        assert troubles(page) == []
        opened(page, f"{ui_url}/?q=chair&q*-0.5=wood&f.faces=0..")
        results(page).first.click()
        seen_in_3d(page)
        expect(page.locator("#model")).to_be_in_viewport()
        assert troubles(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= options["viewport"]["width"]
        page.locator(".close").click()
        expect(page.locator("#details")).to_be_hidden()


def troubles(page: Page) -> list[str]:
    """What axe finds that is serious or critical, with where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {[node['target'] for node in each['nodes']][:4]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]


def is_purple(canvas: Locator) -> bool:
    """Whether much of a canvas is clearly more red and blue than green."""
    red, green, blue = np.moveaxis(np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"), int), 2, 0)
    return bool(np.mean((red > 2 * green) & (blue > 2 * green)) > COLOURED)
