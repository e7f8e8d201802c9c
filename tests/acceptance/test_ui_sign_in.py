"""The page of an API that needs keys: who comes in, as what, and for how long."""

from __future__ import annotations

import contextlib
import html
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browsing import Events, results, search, serving_page, visiting
from tests.conftest import ServedLibrary, serving, wait_until_ready

from meshseek.access.keys import make_key
from meshseek.access.keys_file import KeysFile

SERVED = re.compile(r"/tiles/[^'\"\s\\?]+[?][^'\"\s\\]+side=192")


@dataclass(frozen=True)
class Guarded:
    """A page whose API needs keys."""

    url: str
    api_url: str
    keys: KeysFile

    def key(self, name: str) -> str:
        """A new key of this name, once the API takes it."""
        text, key = make_key(name, "read")
        self.keys.add(key)
        self.wait_until(text, 200)
        return text

    def wait_until(self, key: str, status: int) -> None:
        """Wait until the API answers a key like this; it looks at its keys once a second."""
        deadline = time.monotonic() + 30
        while self.ask(key) != status:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def ask(self, key: str) -> int:
        """What the API answers a key."""
        return httpx.get(f"{self.api_url}/access", headers={"Authorization": f"Bearer {key}"}).status_code


@pytest.fixture(scope="module")
def guarded(library: ServedLibrary, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """An API that may be asked by another name, so that it needs keys, and its page."""
    folder = tmp_path_factory.mktemp("guarded")
    workspace = shutil.copytree(library.folder, folder / "workspace")
    settings = {"MESHSEEK_WORKSPACE": str(workspace), "MESHSEEK_ALLOWED_HOSTS": "assets.example.com"}
    with serving({**library.environment, **settings}, folder / "api.log") as api_url:
        wait_until_ready(api_url)
        with serving_page(api_url, folder / "page.log") as url:
            yield Guarded(url, api_url, KeysFile(workspace))


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor."""
    with visiting(browser, quiet=False) as context:  # Chromium tells of each refusal on its console
        yield context


@pytest.fixture
def page(context: BrowserContext, guarded: Guarded) -> Page:
    """The form."""
    page = context.new_page()
    page.goto(guarded.url)
    return page


def sign_in(page: Page, key: str) -> None:
    """Give a key to the form."""
    page.get_by_label("Access key").fill(key)
    page.get_by_role("button", name="Sign in").click()


@contextlib.contextmanager
def visitor(guarded: Guarded, name: str) -> Iterator[httpx.Client]:
    """Somebody who signed in without a browser."""
    key = guarded.key(name)
    with httpx.Client(base_url=guarded.url, timeout=30) as client:
        assert client.post("/sign-in", data={"key": key}).status_code == 303
        yield client


def test_a_key_opens_the_page(page: Page, context: BrowserContext, guarded: Guarded) -> None:
    """A key that was pasted with blanks lets in; the page says whose it is, searches with it, and lets out again."""
    key = guarded.key("mary")
    sign_in(page, f"  {key[:20]} {key[20:]}\n ")
    expect(page.locator("#account")).to_contain_text("mary")
    search(page, "chair")
    results(page).first.wait_for()
    (cookie,) = [each for each in context.cookies() if each["name"] == "meshseek"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert 0 < cookie["expires"] - time.time() < 24 * 3600

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Access key")).to_be_visible()
    assert [each["name"] for each in context.cookies()] == ["meshseek-language"]
    page.goto(guarded.url)
    expect(page.get_by_label("Access key")).to_be_visible()


def test_a_wrong_key_is_told(page: Page) -> None:
    """Whatever is not a key of the service does not let in, and a sentence says so."""
    for wrong in ("msk_abcdefgh_" + "x" * 43, "<script>alert(1)</script>"):
        sign_in(page, wrong)
        expect(page.get_by_role("alert")).to_contain_text("key")
        expect(page.get_by_label("Access key")).to_be_visible()


def test_a_revoked_key_leads_back_to_the_form(page: Page, guarded: Guarded) -> None:
    """Who looks at the page while their key is revoked is led to the form with the next thing that they do."""
    key = guarded.key("fred")
    sign_in(page, key)
    search(page, "chair")
    results(page).first.wait_for()
    guarded.keys.revoke("fred")
    guarded.wait_until(key, 401)
    page.reload()

    expect(page.get_by_role("alert")).to_contain_text("no longer accepted")
    expect(page.get_by_label("Access key")).to_be_visible()


def test_the_form_on_a_phone(page: Page) -> None:
    """Nothing is wider than the screen."""
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.get_by_label("Access key")).to_be_in_viewport()


def test_visitors_see_nothing_of_each_other(guarded: Guarded) -> None:
    """Neither each other's files nor what the other one's page remembers, even who knows their names."""
    with visitor(guarded, "anne") as anne, visitor(guarded, "joe") as joe:
        tile = html.unescape(SERVED.findall(Events.of(anne).show("?q=chair", "session").text)[0])
        assert anne.get(tile).status_code == 200
        assert httpx.get(guarded.url + tile).status_code == 401
        (picture,) = anne.post("/gradio_api/upload", files={"files": b"picture"}).json()
        address = f"/gradio_api/file={picture}"
        assert anne.get(address).status_code == 200
        assert joe.get(address).status_code == 404
        assert httpx.get(guarded.url + address).status_code == 401

        name = "/".join(picture.split("/")[-2:])
        seen = [Events.of(each).show(f"?picture={name}", "session").text for each in (anne, joe)]
        assert picture in seen[0]
        assert picture not in seen[1]
        assert "no longer here" in seen[1]


def test_a_visitor_asks_the_api_with_their_own_key(guarded: Guarded) -> None:
    """When it is revoked, the next thing that they ask is refused, and the other one goes on."""
    with visitor(guarded, "eve") as eve, visitor(guarded, "ben") as ben:
        key = eve.cookies["meshseek"]
        pages = [Events.of(each) for each in (eve, ben)]
        guarded.keys.revoke("eve")
        guarded.wait_until(key, 401)
        refused, answered = (each.show("?q=chair", "session") for each in pages)

    assert (refused.status_code, refused.headers["location"]) == (401, "/sign-in?reason=refused")
    assert answered.status_code == 200
    assert SERVED.search(answered.text)
