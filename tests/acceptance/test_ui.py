"""The page in a real browser, on a real API: one journey after the other, each as somebody would make it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browsing import opened, results, search, seen_in_3d, visiting

ABSENT = ("motorcycle", "helicopter", "submarine", "football", "rocket", "guitar")
"""Things that the library has not; of one so small the API cannot know that of each of them."""


@pytest.fixture
def page(context: BrowserContext, ui_url: str) -> Page:
    """The page, opened."""
    return opened(context.new_page(), ui_url)


def found(api_url: str, query: str, **options: Any) -> dict[str, Any]:
    """What the API finds, asked as the page asks."""
    asked = {"query": query, "collapsed": True, **options}
    answer: dict[str, Any] = httpx.post(f"{api_url}/search/text", json=asked).json()
    return answer


def pictured(api_url: str, folder: Path) -> Path:
    """A picture of a chair."""
    best = found(api_url, "chair", top_k=1)["results"][0]
    picture = folder / "chair.png"
    picture.write_bytes(httpx.get(f"{api_url}{best['thumbnail_url']}").content)
    return picture


def test_words_find_an_asset_and_all_about_it(page: Page, api_url: str) -> None:
    """Words bring tiles at the matched view; the chosen one is shown in 3D with its facts and the reasons."""
    search(page, "chair")
    best = found(api_url, "chair", top_k=24, explain=True)["results"]
    expect(results(page).first).to_have_accessible_name(re.compile(r"^Fits well · .*chair"))
    expect(page.locator("#summary")).to_contain_text(re.compile(r"\d+ results.*in \d+ ms.*English", re.DOTALL))
    expect(results(page).first.locator(".basis")).to_have_attribute("title", re.compile("Rests on: .*exact words"))
    assert results(page).first.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0

    results(page).nth(1).click()
    details = page.locator("#details")
    expect(details.locator("code").first).to_have_text(best[1]["asset_id"])
    seen_in_3d(page)
    for said in (best[1]["attributes"]["licence"], "cm", "May be used commercially", "Its author"):
        expect(details).to_contain_text(said)
    expect(details.get_by_role("img", name="Beside a person of 1.70 m")).to_be_visible()
    expect(details.get_by_text("Score", exact=True)).to_be_hidden()
    details.get_by_text("Why", exact=True).click()
    expect(details.locator(".why").first).to_contain_text(f"{best[1]['score']:.2f}")
    parts = best[1]["explanation"]["parts"]
    expect(details.locator(".why").first).to_contain_text(f"{parts['caption']:.2f}, {parts['caption_standard']:.1f}")

    assert details.locator(".strip a").count() > 1
    details.locator(".strip a").nth(1).click()
    expect(details.locator(".strip a").nth(1)).to_have_attribute("aria-current", "true")
    with page.expect_download() as download:
        details.get_by_role("link", name="Download GLB").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"glTF"

    details.get_by_role("link", name="by appearance").click()
    expect(page.locator("#bar")).to_contain_text("Like")
    expect(details.locator("code").first).to_have_text(best[1]["asset_id"])


def test_every_state_is_a_link(page: Page, context: BrowserContext, ui_url: str) -> None:
    """Options, filters and the chosen asset stand in the address; back and forward lead through it; others open it."""
    search(page, "chair")
    results(page).first.wait_for()
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Cross-modal").check()
    expect(page.locator("#summary")).to_contain_text("compared with appearance, cross-modal")
    facet = page.locator("#facets .field a").first
    category = facet.locator("span").inner_text()
    facet.click()
    expect(page.locator("#chips")).to_contain_text(f"Category: {category}")
    results(page).first.wait_for()
    for each in results(page).all():
        expect(each).to_have_accessible_name(re.compile(re.escape(category)))
    results(page).first.click()
    page.locator("#details code").first.wait_for()
    link, chosen = page.url, page.locator("#details code").first.inner_text()

    page.go_back()
    expect(page.locator("#details")).to_be_hidden()
    page.go_back()
    expect(page.locator("#chips")).to_be_empty()
    page.go_forward()
    page.go_forward()
    expect(page.locator("#details code").first).to_have_text(chosen)

    other = opened(context.new_page(), link)
    expect(other.locator("#details code").first).to_have_text(chosen)
    expect(other.locator("#chips")).to_contain_text(category)
    expect(other.locator("#words").locator("input, textarea")).to_have_value("chair")
    other.get_by_role("button", name="Options").click()
    expect(other.get_by_label("Cross-modal")).to_be_checked()

    opened(other, f"{ui_url}/?q=chair&f.colour=red&asset=gone/for-ever")
    expect(other.locator("#notice")).to_contain_text("“colour”")
    expect(other.locator("#details")).to_contain_text("gone/for-ever")
    expect(results(other).first).to_contain_text("chair")


def test_the_page_speaks_chinese(browser: Browser, ui_url: str) -> None:
    """As the browser prefers; labels, menus, results and errors; and English when that is chosen."""
    with visiting(browser, locale="zh-CN") as context:
        page = opened(context.new_page(), ui_url)
        search(page, "椅子")
        expect(results(page).first).to_have_accessible_name(re.compile("^很符合 · "))
        expect(page.locator("#summary")).to_contain_text("中文")
        results(page).first.click()
        expect(page.locator("#details")).to_contain_text("可用于商业用途")
        page.get_by_role("button", name="选项").click()
        for label in ("比较对象", "算法", "跨模态", "结果数量"):
            expect(page.get_by_text(label, exact=True).first).to_be_visible()
        assert chrome_words(page) == set()

        search(page, "!!!")
        expect(page.locator("#summary")).to_contain_text("请用中文或英文")
        search(page, "椅子")
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("button", name="Options")).to_be_visible()
        expect(results(page).first).to_have_accessible_name(re.compile("^Fits well"))


def chrome_words(page: Page) -> set[str]:
    """English words that the page itself shows: not those of the library, of algorithms, and of commands."""
    text = page.evaluate(
        """() => {
          const own = document.body.cloneNode(true);
          own.querySelectorAll('script, style, code, pre, [lang=en], .caption, .category, .facets li, dd, .copy,'
            + ' .examples, .past, [data-take], .commands b, input, .categories').forEach((each) => each.remove());
          own.querySelectorAll('.en').forEach((each) => each.remove());
          return own.textContent;
        }"""
    )
    known = {"Meshseek", "GLB", "lite", "address", "basket", "English"}
    return set(re.findall("[A-Za-z]{2,}", text)) - known


def test_options_say_what_is_compared(page: Page, api_url: str) -> None:
    """What is chosen holds at once: what to compare with, varied results, how many, and more of them."""
    plain, varied = (
        [each["asset_id"] for each in found(api_url, "chair", top_k=12, diverse=diverse)["results"]]
        for diverse in (False, None)
    )
    assert plain != varied
    search(page, "chair")
    tiles = results(page)
    expect(tiles.nth(5)).to_have_attribute("data-asset", varied[5])
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Varied results").uncheck()
    for place in range(4):
        expect(tiles.nth(place)).to_have_attribute("data-asset", plain[place])
    page.get_by_label("Compare with").click()
    page.get_by_role("option", name="Captions", exact=True).click()
    expect(page.locator("#summary")).to_contain_text("compared with captions")
    page.get_by_label("number input for Results").fill("4")
    page.get_by_label("number input for Results").press("Enter")
    expect(page.locator("#count input[type=range]")).to_have_value("4")
    expect(tiles).to_have_count(4)
    page.get_by_role("link", name="Show more").click()
    expect(tiles).to_have_count(8)
    assert "pages=2" in page.url


def test_a_picture_is_searched_alone_and_with_words(page: Page, api_url: str, tmp_path: Path) -> None:
    """It stands as a chip beside the words; weights are changed by sliders, and each part can be removed."""
    page.locator("#picture-file").set_input_files(pictured(api_url, tmp_path))
    results(page).first.wait_for()
    expect(page.locator("#summary")).to_contain_text("compared with appearance")
    expect(page.locator(".part")).to_have_count(1)

    search(page, "wooden")
    expect(page.locator(".part")).to_have_count(2)
    page.locator("#also").fill("-metal")
    page.locator("#also").press("Enter")
    expect(page.locator(".part.without")).to_contain_text("metal")
    results(page).first.wait_for()
    page.get_by_label("Weight of wooden").fill("0.3")
    expect(page).to_have_url(re.compile(r"q\*0\.3=wooden|q%2A0\.3=wooden"))
    expect(page.locator(".part")).to_have_count(3)
    page.get_by_label("Remove metal").click()
    expect(page.locator(".part")).to_have_count(2)
    page.get_by_text("Searched before").click()
    expect(page.locator("#past a").first).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("bad.png", b"not a picture", "not a picture"),
        ("large.png", b"\xff" * 11_000_000, "at most 10 MB"),
        ("huge.png", b"\xff" * 31_000_000, "at most 10 MB"),
        ("drawing.svg", b"<svg/>", "cannot be searched|not a picture that can be searched"),
        ("phone.heic", b"\0\0\0\x18ftypheic", "not a picture that can be searched"),
    ],
    ids=["damaged", "large", "huge", "svg", "heic"],
)
def test_bad_picture_is_explained(page: Page, tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    """What is wrong with a picture is said in a sentence."""
    picture = tmp_path / name
    picture.write_bytes(content)
    page.locator("#picture-file").set_input_files(picture)

    expect(page.get_by_role("alert").filter(has_text=re.compile(sentence)).first).to_be_visible()


def test_bad_words_are_explained_and_absent_things_told(page: Page, api_url: str) -> None:
    """A query without words hides what was found; one too long is told; where nothing is close the page says so."""
    search(page, "chair")
    results(page).first.wait_for()
    search(page, "!!!")
    expect(page.get_by_role("alert").first).to_have_text(
        "The query has no English or Chinese words; type some in either language."
    )
    expect(results(page)).to_have_count(0)
    search(page, "chair " * 900)
    expect(page.get_by_role("alert").first).to_contain_text("use at most 1000")

    search(page, next(thing for thing in ABSENT if found(api_url, thing)["nothing_close"]))
    expect(page.get_by_text("Probably nothing here is like this")).to_be_visible()
    expect(results(page).first).to_contain_text("Far off")
