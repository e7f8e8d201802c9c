"""The page on another API or network than usual: away, older, of two algorithms, restarted, slow."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
from playwright.sync_api import Browser, BrowserContext, Route, expect
from tests.browsing import opened, results, search, seen_in_3d, serving_page, visiting
from tests.conftest import free_port

EVENT = re.compile("/gradio_api/run/predict")
AGAIN_MS = 2500
"""More than the page waits before it asks again what may be answered then."""


def test_page_waits_for_the_api(browser: Browser, api_url: str, tmp_path: Path) -> None:
    """A page that is opened before the API is up says so, and answers its address by itself; likewise later."""
    port = free_port()
    with (
        visiting(browser, quiet=False) as context,
        serving_page(f"http://127.0.0.1:{port}", tmp_path / "log") as url,
    ):
        page = opened(context.new_page(), f"{url}/?q=chair")
        expect(page.locator("#notice")).to_contain_text("starting")
        with forwarding(port, api_url):
            results(page).first.wait_for()
            expect(page.locator("#notice")).to_be_empty()
        search(page, "lamp")
        expect(page.locator("#summary")).to_contain_text("does not answer")
        with forwarding(port, api_url):
            expect(results(page).first).to_contain_text("lamp")


def test_older_api_is_shown_all_the_same(browser: Browser, api_url: str, tmp_path: Path) -> None:
    """An API without relevance, reasons, facets and parts answers with scores, and what is missing is told."""

    def older(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if b'"explain"' in request.content:
            refusal = {"code": "invalid", "message": "explain: extra inputs are not permitted"}
            return httpx.Response(422, json={"error": refusal})
        if request.url.path == "/openapi.json":
            told = answer.json()
            for path in ("/search", "/assets", "/status", "/collect", "/attribution"):
                told["paths"].pop(path, None)
            told["components"]["schemas"]["TextSearch"]["properties"].pop("facets", None)
            return httpx.Response(200, json=told)
        if request.url.path != "/search/text":
            return answer
        said = {name: value for name, value in answer.json().items() if name != "nothing_close"}
        told = {"relevance", "explanation"}
        found = [{name: each[name] for name in each.keys() - told} for each in said["results"]]
        return httpx.Response(200, json={**said, "results": found})

    port = free_port()
    with (
        forwarding(port, api_url, older),
        serving_page(f"http://127.0.0.1:{port}", tmp_path / "log") as url,
        visiting(browser) as context,  # it leaves first: a page fetches its viewer when nobody waits for it
    ):
        page = opened(context.new_page(), url)
        expect(page.locator("#summary .examples")).to_be_visible()
        search(page, "chair")
        expect(results(page).first).to_have_accessible_name(re.compile(r"^\d\.\d\d · "))
        results(page).first.click()
        seen_in_3d(page)  # a page whose server stops while it loads its viewer fails
        page.get_by_text("Why", exact=True).click()
        expect(page.locator("#details .why").first).to_contain_text("does not tell what this score rests on")
        opened(page, f"{url}/?q=chair&q*-0.5=wood")
        expect(page.get_by_role("alert").first).to_contain_text("too old to search for several things")


def test_a_page_whose_server_restarts_goes_on(browser: Browser, api_url: str, tmp_path: Path) -> None:
    """What was asked meanwhile is answered once it is there again, though it has forgotten everything."""
    port = free_port()
    with visiting(browser, quiet=False) as context:
        with serving_page(api_url, tmp_path / "first", port=port) as url:
            page = opened(context.new_page(), f"{url}/?q=chair")
            results(page).first.click()
            seen_in_3d(page)  # a server that stops while its viewer is fetched leaves a page without one
        search(page, "lamp")
        expect(page.locator("#trouble")).to_have_text("The page's server does not answer. Trying again…")
        with serving_page(api_url, tmp_path / "second", port=port):
            expect(results(page).first).to_contain_text("lamp")
            expect(page.locator("#trouble")).to_be_hidden()
            search(page, "sofa")
            expect(results(page).first).to_contain_text("sofa")


def test_on_a_slow_network_the_last_question_wins(context: BrowserContext, ui_url: str) -> None:
    """What was found before fades while somebody waits, and no answer to an earlier question stands in the end."""
    page = opened(context.new_page(), f"{ui_url}/?q=chair")
    results(page).first.wait_for()
    slow = {"offline": False, "latency": 500, "downloadThroughput": 100_000, "uploadThroughput": 50_000}
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", slow)
    for words in ("table", "sofa", "lamp"):
        search(page, words)
        expect(page.locator("body")).to_have_class(re.compile(r"\bsearching\b"))
    expect(results(page).first).to_contain_text("lamp")
    expect(page).to_have_title("lamp · Meshseek")
    expect(page).to_have_url(re.compile("q=lamp"))


def test_a_click_that_is_lost_is_made_again(context: BrowserContext, ui_url: str) -> None:
    """The page asks by a button, and a click that comes just as another is answered may go nowhere."""
    page = opened(context.new_page(), ui_url)
    results(page).first.wait_for()
    lose = "(event) => { event.stopImmediatePropagation(); event.preventDefault(); }"
    page.evaluate(
        f"() => document.querySelector('#go').addEventListener('click', {lose}, {{capture: true, once: true}})"
    )
    search(page, "lamp")
    expect(results(page).first).to_contain_text("lamp")


def test_what_was_refused_is_not_asked_for_ever(browser: Browser, ui_url: str) -> None:
    """A question that the page's server takes for none of its own is told, once."""
    with visiting(browser, quiet=False) as context:
        page = opened(context.new_page(), ui_url)
        results(page).first.wait_for()
        asked = []

        def refuse(route: Route) -> None:
            asked.append(route.request.url)
            route.fulfill(status=400, json={"detail": "this is no event of the page"})

        page.route(EVENT, refuse)
        search(page, "lamp")
        expect(page.locator("#trouble")).to_have_text("The server refused this. Load the page anew.")
        page.wait_for_timeout(AGAIN_MS)
        assert len(asked) == 1
        page.unroute(EVENT)
        search(page, "sofa")
        expect(results(page).first).to_contain_text("sofa")
        expect(page.locator("#trouble")).to_be_hidden()


def test_two_algorithms_stand_side_by_side(browser: Browser, api_url: str, tmp_path: Path) -> None:
    """With what both have found marked; here the second one is the first that varies nothing."""

    def two(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(200, json={"status": "ready", "algorithms": {"lite": "ready", "siglip": "ready"}})
        if b'"siglip"' not in request.content:
            return answer
        asked = {**json.loads(request.content), "algorithm": "lite", "diverse": False}
        return httpx.Response(
            200, json={**httpx.post(f"{api_url}/search/text", json=asked).json(), "algorithm": "siglip"}
        )

    port = free_port()
    with (
        forwarding(port, api_url, two),
        serving_page(f"http://127.0.0.1:{port}", tmp_path / "log") as url,
        visiting(browser) as context,  # it leaves first: a page fetches its viewer when nobody waits for it
    ):
        page = opened(context.new_page(), f"{url}/?q=chair")
        page.get_by_role("button", name="Options").click()
        page.get_by_label("Compare two algorithms").click()
        page.get_by_role("option", name="siglip").click()
        expect(page.locator(".side")).to_have_count(2)
        expect(page.locator(".side").nth(1)).to_contain_text("siglip")
        expect(page.locator(".side").first.locator(".agreed").first).to_contain_text("Also found by the other")
        assert "against=siglip" in page.url


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
