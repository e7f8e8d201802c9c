"""The page in a real browser, on a real API."""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from tests.browsing import PATIENCE, launched, opened, results, search, serving_page, visiting
from tests.conftest import free_port

ABSENT = ("motorcycle", "helicopter", "submarine", "football", "rocket", "guitar")
"""Things that the library has not; of one so small the API cannot know that of each of them."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def ui_url(api_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page."""
    with serving_page(api_url, tmp_path_factory.mktemp("ui") / "log") as url:
        yield url


@dataclass(frozen=True)
class Detached:
    """A page over a port on which nothing answers, but for what a test puts there."""

    url: str
    api_port: int


@pytest.fixture(scope="module")
def detached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detached]:
    """One for all tests that put something there: a front end takes longer to start than to be asked."""
    port = free_port()
    with serving_page(f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("detached") / "log") as url:
        yield Detached(url, port)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor."""
    with visiting(browser) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext, ui_url: str) -> Page:
    """The page, opened."""
    return opened(context.new_page(), ui_url)


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


def test_words_find_assets(page: Page) -> None:
    """Words typed into the box bring tiles with loaded pictures, and the language that was understood."""
    search(page, "chair")

    results(page).first.wait_for()
    expect(page.locator("#summary")).to_contain_text("results in")
    expect(page.locator("#summary .language")).to_have_text("English")
    assert results(page).first.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_chinese_is_recognised(page: Page) -> None:
    """A Chinese query is shown as such."""
    search(page, "椅子")

    results(page).first.wait_for()
    expect(page.locator("#summary .language")).to_have_text("中文")


def test_example_searches(page: Page) -> None:
    """A click on an example fills the box and searches."""
    page.get_by_role("button", name="table lamp").click()

    results(page).first.wait_for()
    expect(page.get_by_placeholder("Describe what you are looking for")).to_have_value("table lamp")


def test_result_is_shown_in_3d(page: Page, api_url: str) -> None:
    """A click on a result draws its model and tells all about it."""
    search(page, "chair")
    results(page).first.click()

    seen_in_3d(page)
    best = httpx.post(f"{api_url}/search/text", json={"query": "chair", "top_k": 1}).json()["results"][0]
    expect(page.locator("#details")).to_contain_text(best["asset_id"])
    expect(page.locator("#details")).to_contain_text(best["attributes"]["licence"])


def test_second_result_replaces_the_first(page: Page) -> None:
    """Choosing another result shows another asset."""
    search(page, "chair")
    results(page).nth(0).click()
    seen_in_3d(page)
    first = page.locator("#details code").inner_text()
    results(page).nth(1).click()

    expect(page.locator("#details code")).not_to_have_text(first)
    seen_in_3d(page)


def test_similar_assets(page: Page) -> None:
    """The chosen asset stays in view beside the ones that are like it."""
    search(page, "chair")
    results(page).first.click()
    page.locator("#details code").wait_for()
    chosen = page.locator("#details code").inner_text()
    page.get_by_role("button", name="Find similar").click()

    expect(page.locator("#summary")).to_contain_text("similar to")
    expect(page.locator("#details code")).to_have_text(chosen)


def test_more_results_are_added(page: Page) -> None:
    """The button below the results adds the next ones, until there are none."""
    page.get_by_role("button", name="Options").click()
    page.get_by_label("number input for Results").fill("4")
    search(page, "chair")
    expect(results(page)).to_have_count(4)
    page.get_by_role("button", name="Show more").click()

    expect(results(page)).not_to_have_count(4)


def test_category_filters(page: Page, api_url: str) -> None:
    """A chosen category is asked for at once, and only its assets are found."""
    facet = httpx.get(f"{api_url}/facets/category").json()[0]
    search(page, "chair")
    results(page).first.wait_for()
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Category").click()
    page.get_by_role("option", name=f"{facet['value']} ({facet['count']})").click()

    expect(page.locator("#summary")).to_contain_text(f"{facet['count']} result")


def test_relevance_is_told_in_words(page: Page) -> None:
    """A tile and the details say in words how well a result fits; the bare score is not among them."""
    search(page, "chair")
    results(page).first.click()

    expect(results(page).first.locator(".caption-label")).to_have_text(re.compile(r"^Fits well · \D+$"))
    expect(page.locator("#details .relevance")).to_have_text("Fits well")
    expect(page.get_by_text("Score", exact=True)).to_be_hidden()


def test_details_say_why(page: Page, api_url: str) -> None:
    """On demand the details show what the score rests on, as the API tells it."""
    search(page, "chair")
    results(page).nth(1).click()
    page.get_by_text("Why", exact=True).click()

    query = {"query": "chair", "top_k": 12, "explain": True}
    result = httpx.post(f"{api_url}/search/text", json=query).json()["results"][1]
    parts = result["explanation"]["parts"]
    why = page.locator("#details .why")
    expect(why).to_contain_text(f"{parts['caption']:.2f}, {parts['caption_standard']:.1f} deviations above chance")
    expect(why).to_contain_text("holds all words of the query")
    expect(why).to_contain_text(f"{result['score']:.2f}")
    expect(page.get_by_text("Score", exact=True)).to_be_visible()


def test_results_are_named_for_screen_readers(page: Page) -> None:
    """A tile is called by what is written on it; also after another search has changed that, and for those added."""
    page.get_by_role("button", name="Options").click()
    page.get_by_label("number input for Results").fill("8")
    for words in ("lamp", "chair"):
        search(page, words)
        expect(results(page).first).to_contain_text(words)
        expect(results(page).first).to_have_accessible_name(re.compile(rf"^Fits well · [\w ]+: .*{words}"))
    page.get_by_role("button", name="Show more").click()
    expect(results(page).nth(8)).to_have_accessible_name(re.compile(r"^(Fits well|May fit|Far off)"))
    expect(results(page).nth(0)).to_have_accessible_name(re.compile("^Fits well"))


def test_why_opens_by_keyboard(page: Page) -> None:
    """Who has no mouse chooses a result and unfolds its reasons by keys."""
    search(page, "chair")
    results(page).first.press("Enter")
    page.locator("#details summary").press("Enter")

    expect(page.get_by_text("Score", exact=True)).to_be_visible()


def test_absent_things_are_told(page: Page, api_url: str) -> None:
    """Where the API finds nothing close the page says so, and shows what is nearest; else it does not."""
    told = page.get_by_text("Probably nothing here is like this")
    search(page, next(thing for thing in ABSENT if nothing_close(api_url, thing)))
    results(page).first.wait_for()
    expect(told).to_be_visible()
    expect(results(page).first).to_contain_text("Far off")

    search(page, "chair")
    expect(results(page).first).to_contain_text("Fits well")
    expect(told).to_be_hidden()


def nothing_close(api_url: str, words: str) -> bool:
    """What the API says of words."""
    told: bool = httpx.post(f"{api_url}/search/text", json={"query": words}).json()["nothing_close"]
    return told


def test_cross_modal_compares_words_with_appearance(page: Page) -> None:
    """The switch changes at once what words are compared with, and back."""
    search(page, "chair")
    results(page).first.wait_for()
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Cross-modal").check()
    expect(page.locator("#summary")).to_contain_text("compared with appearance, cross-modal")

    page.get_by_label("Cross-modal").uncheck()
    expect(page.locator("#summary")).to_contain_text("compared with captions, appearance and exact words")


def test_cross_modal_compares_a_picture_with_captions(page: Page, api_url: str, tmp_path: Path) -> None:
    """The same switch, for a picture."""
    best = httpx.post(f"{api_url}/search/text", json={"query": "chair", "top_k": 1}).json()["results"][0]
    picture = tmp_path / "chair.png"
    picture.write_bytes(httpx.get(f"{api_url}{best['thumbnail_url']}").content)
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Cross-modal").check()
    page.get_by_role("tab", name="By picture").click()
    page.locator("#picture input[type=file]").set_input_files(picture)

    expect(page.locator("#summary")).to_contain_text("compared with captions, cross-modal")
    results(page).first.click()
    page.get_by_text("Why", exact=True).click()
    expect(page.locator("#details .why")).to_contain_text("Captions")


def test_cross_modal_and_a_target_exclude_each_other(page: Page) -> None:
    """Of the two, the one that was touched last holds, and the other one shows that it does not."""
    search(page, "chair")
    results(page).first.wait_for()
    page.get_by_role("button", name="Options").click()
    switch, target = page.get_by_label("Cross-modal"), page.get_by_label("Compare with")
    switch.check()
    target.click()
    page.get_by_role("option", name="Captions").click()
    expect(switch).not_to_be_checked()
    expect(page.locator("#summary .against")).to_have_text("compared with captions")

    switch.check()
    expect(target).to_have_value("Automatic")
    expect(page.locator("#summary .against")).to_have_text("compared with appearance, cross-modal")


def test_results_need_not_be_varied(page: Page, api_url: str) -> None:
    """Without the option, results come strictly by their scores."""
    plain = httpx.post(f"{api_url}/search/text", json={"query": "chair", "top_k": 12, "diverse": False}).json()
    varied = httpx.post(f"{api_url}/search/text", json={"query": "chair", "top_k": 12}).json()
    captions = [[each["caption_en"] or each["asset_id"] for each in answer["results"]] for answer in (plain, varied)]
    assert captions[0] != captions[1]
    search(page, "chair")
    labels = page.locator("#gallery .caption-label")
    expect(labels).to_contain_text(captions[1])
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Varied results").uncheck()

    expect(labels).to_contain_text(captions[0])


def test_picture_finds_assets(page: Page, api_url: str, tmp_path: Path) -> None:
    """A dropped picture of an asset finds assets by their appearance."""
    best = httpx.post(f"{api_url}/search/text", json={"query": "chair", "top_k": 1}).json()["results"][0]
    picture = tmp_path / "chair.png"
    picture.write_bytes(httpx.get(f"{api_url}{best['thumbnail_url']}").content)
    page.get_by_role("tab", name="By picture").click()
    page.locator("#picture input[type=file]").set_input_files(picture)

    results(page).first.wait_for()
    expect(page.locator("#summary")).to_contain_text("compared with appearance")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"not a picture", "not a picture"), (b"\xff" * 11_000_000, "at most 10 MB")],
    ids=["damaged", "large"],
)
def test_bad_picture_is_explained(page: Page, tmp_path: Path, content: bytes, sentence: str) -> None:
    """What is wrong with a picture is said in a sentence."""
    picture = tmp_path / "bad.png"
    picture.write_bytes(content)
    page.get_by_role("tab", name="By picture").click()
    page.locator("#picture input[type=file]").set_input_files(picture)

    expect(page.get_by_role("alert")).to_contain_text(sentence)


def test_bad_query_is_explained(page: Page) -> None:
    """A query without words is answered with a sentence, and hides what was found before."""
    search(page, "chair")
    results(page).first.wait_for()
    search(page, "!!!")

    expect(page.get_by_role("alert")).to_have_text(
        "The query has no English or Chinese words; type some in either language."
    )
    expect(results(page)).to_have_count(0)


def test_page_on_a_phone(context: BrowserContext, ui_url: str) -> None:
    """On a narrow screen nothing is wider than the screen, and the chosen asset comes into view."""
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, ui_url)
    search(page, "chair")
    results(page).first.click()

    seen_in_3d(page)
    expect(page.locator("#model")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_page_waits_for_the_api(context: BrowserContext, api_url: str, detached: Detached) -> None:
    """A page that is opened before the API is up says so, and answers the waiting query by itself."""
    page = opened(context.new_page(), detached.url)
    expect(page.locator("#notice")).to_contain_text("starting")
    search(page, "chair")
    expect(page.locator("#summary")).to_contain_text("does not answer")
    with forwarding(detached.api_port, api_url):
        results(page).first.wait_for()
        expect(page.locator("#notice")).to_be_hidden()


def test_older_api_is_shown_all_the_same(context: BrowserContext, api_url: str, detached: Detached) -> None:
    """An API that knows nothing of relevance and reasons answers with scores, and the details say what is missing."""

    def older(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if b'"explain"' in request.content:
            refusal = {"code": "invalid_request", "message": "explain: extra inputs are not permitted"}
            return httpx.Response(422, json={"error": refusal})
        if request.url.path != "/search/text":
            return answer
        said = {name: value for name, value in answer.json().items() if name != "nothing_close"}
        told = {"relevance", "explanation"}
        results = [{name: each[name] for name in each.keys() - told} for each in said["results"]]
        return httpx.Response(200, json={**said, "results": results})

    with forwarding(detached.api_port, api_url, older):
        page = opened(context.new_page(), detached.url)
        search(page, "chair")
        expect(results(page).first.locator(".caption-label")).to_have_text(re.compile(r"^\d\.\d\d · "))
        results(page).first.click()
        seen_in_3d(page)  # a page whose server stops while it loads its viewer fails
        page.get_by_text("Why", exact=True).click()
        expect(page.locator("#details .why")).to_contain_text("does not tell what this score rests on")


def as_it_is(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
    """An answer that nothing is changed of."""
    return answer


@contextlib.contextmanager
def forwarding(
    port: int, api_url: str, change: Callable[[httpx.Request, httpx.Response], httpx.Response] = as_it_is
) -> Iterator[None]:
    """Answer on a port with what the API says, or what is made of it."""

    class Forward(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.forward()

        def do_POST(self) -> None:
            self.forward()

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            kind = {"content-type": self.headers.get("content-type", "application/json")}
            request = httpx.Request(self.command, f"{api_url}{self.path}", content=body, headers=kind)
            with httpx.Client(timeout=30) as api:
                answer = change(request, api.send(request))
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Forward) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
