"""Who comes in to the page: by name, by website, by key; without Gradio, and with an API that says what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from meshseek.interfaces.http.hosts import Hosts
from meshseek.interfaces.ui.door import Door
from meshseek.interfaces.ui.keys import Keys
from meshseek.interfaces.ui.memory import Memory
from meshseek.interfaces.ui.routes import Routes
from meshseek.interfaces.ui.visitors import Rooms, Visitor

KEY, OTHER = "msk_abcdefgh_" + "a" * 43, "msk_ijklmnop_" + "b" * 43
HERE, LAN = "http://127.0.0.1:7860", "http://192.168.1.5:7860"


class Api:
    """Says of keys what the real one says."""

    def __init__(self, *, needed: bool = True) -> None:
        self.needed = needed
        self.names = {KEY: "mary", OTHER: "fred"}
        self.status: int | None = None
        self.asked: list[str | None] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        """To ``GET /access``."""
        key = (request.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.asked.append(key)
        if self.status is not None:
            return self._refused(self.status, f"the status is {self.status}")
        if key is not None and key not in self.names:
            return self._refused(401, "this is no key")
        name = None if key is None else self.names[key]
        return httpx.Response(200, json={"key_needed": self.needed, "name": name, "scopes": []})

    def _refused(self, status: int, message: str) -> httpx.Response:
        return httpx.Response(status, json={"error": {"code": "refused", "message": message}})


class Inside:
    """What is behind the door: tells who comes in, and refuses their key where it is told to."""

    refuses = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        visitor: Visitor = scope["state"]["visitor"]
        if self.refuses:
            visitor.refuse()
        told = {"room": visitor.room, "key": visitor.key, "name": visitor.name}
        await JSONResponse(told)(scope, receive, send)


Asking = Callable[[httpx.AsyncClient], Awaitable[Any]]


def visit(folder: Path, api: Api, asking: Asking, url: str = HERE, inside: Inside | None = None, **door: Any) -> Any:
    """Ask the page, with its address as its browser names it."""

    async def run() -> Any:
        keys = Keys("http://api.test", httpx.MockTransport(api.answer))
        options = {"host": "127.0.0.1" if url == HERE else "0.0.0.0", **door}
        hosts = options.get("hosts", ())
        app = Hosts(Routes(Door(inside or Inside(), keys, Rooms(folder), **options)), hosts)
        client = ("127.0.0.1" if url == HERE else "192.168.1.77", 50000)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app, client=client), base_url=url) as browser:
            answer = await asking(browser)
        await keys.close()
        return answer

    return asyncio.run(run())


def with_key(key: str = KEY) -> dict[str, str]:
    """The cookie of whoever signed in."""
    return {"Cookie": f"meshseek={key}"}


def test_where_no_key_is_needed_everybody_comes_in(tmp_path: Path) -> None:
    """On this machine, with an API that needs none, nothing is asked."""
    answer = visit(tmp_path, Api(needed=False), lambda browser: browser.get("/"))

    assert answer.json() == {"room": "everybody", "key": None, "name": None}


def test_an_api_without_keys_is_as_before(tmp_path: Path) -> None:
    """One that is older than keys needs none."""
    api = Api()
    api.status = 404

    assert visit(tmp_path, api, lambda browser: browser.get("/")).status_code == 200


@pytest.mark.parametrize("url", [HERE, LAN])
def test_without_a_key_only_the_form_is_seen(tmp_path: Path, url: str) -> None:
    """Every other route is closed, to whom the API needs a key as to whom the network brings."""
    api = Api(needed=url == HERE)
    for path in ("/assets/a.js", "/theme.css", "/static/a", "/gradio_api/file=/etc/passwd", "/gradio_api/heartbeat/a"):
        answer = visit(tmp_path, api, lambda browser, path=path: browser.get(path), url)  # type: ignore[misc]
        assert (answer.status_code, answer.headers["location"]) == (401, "/sign-in")
    for path in ("/gradio_api/run/predict", "/gradio_api/upload"):
        assert visit(tmp_path, api, lambda browser, path=path: browser.post(path), url).status_code == 401  # type: ignore[misc]
    assert visit(tmp_path, api, lambda browser: browser.get("/"), url).headers["location"] == "/sign-in"
    form = visit(tmp_path, api, lambda browser: browser.get("/sign-in"), url)
    assert form.status_code == 200
    assert "Access key" in form.text
    assert "http" not in form.text.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("url", "door", "headers"),
    [
        (LAN, {}, {}),
        (HERE, {"hosts": ("assets.example.com",)}, {}),
        (HERE, {}, {"X-Forwarded-For": "203.0.113.7"}),
    ],
    ids=["on a network", "by another name", "through a proxy"],
)
def test_others_need_a_key_even_where_the_api_asks_for_none(
    tmp_path: Path, url: str, door: dict[str, Any], headers: dict[str, str]
) -> None:
    """The API sees this machine ask; the page sees who asks in truth, unless it was started to let all of them in."""
    api = Api(needed=False)

    def asking(browser: httpx.AsyncClient) -> Awaitable[httpx.Response]:
        return browser.get("/", headers=headers)

    assert visit(tmp_path, api, asking, url, **door).status_code == 303
    assert visit(tmp_path, api, asking, url, insecure=True, **door).status_code == 200


def test_a_key_signs_in(tmp_path: Path) -> None:
    """Blanks in it do not matter; the cookie is for this page alone, and what is behind gets the key and its name."""

    async def asking(browser: httpx.AsyncClient) -> tuple[httpx.Response, httpx.Response]:
        return await browser.post("/sign-in", data={"key": f" {KEY[:9]}\n{KEY[9:]} "}), await browser.get("/")

    signed, inside = visit(tmp_path, Api(), asking)

    assert (signed.status_code, signed.headers["location"]) == (303, "/")
    parts = {part.strip().lower() for part in signed.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= parts
    assert "secure" not in parts
    assert (inside.json()["key"], inside.json()["name"]) == (KEY, "mary")


def test_over_https_the_cookie_is_secure(tmp_path: Path) -> None:
    """It is not sent over a plain connection, and no other host of the domain can set it."""
    signed = visit(tmp_path, Api(), lambda browser: browser.post("https://127.0.0.1:7860/sign-in", data={"key": KEY}))

    assert signed.headers["set-cookie"].startswith("__Host-meshseek=msk_")
    assert "; secure" in signed.headers["set-cookie"].lower()


def test_rooms_are_kept_apart(tmp_path: Path) -> None:
    """Each key has its own, which does not tell the key."""
    rooms = Rooms(tmp_path)
    first, again, other = (rooms.visitor(key, None) for key in (KEY, KEY, OTHER))

    assert first.room == again.room != other.room
    assert KEY not in first.room
    assert first.session("abc") != other.session("abc")
    assert [first.session(odd) for odd in ("", "a/b", "a" * 65, None, 7)] == [None] * 5


@pytest.mark.parametrize("key", ["", "nonsense key", "msk_abcdefgh_" + "z" * 43, "<script>", "键", "a" * 5000])
def test_what_is_no_key_is_told(tmp_path: Path, key: str) -> None:
    """In a sentence above the form, and without a cookie."""
    answer = visit(tmp_path, Api(), lambda browser: browser.post("/sign-in", data={"key": key}))

    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "<script>" not in answer.text
    assert "set-cookie" not in answer.headers


def test_what_cannot_be_a_key_is_not_asked_about(tmp_path: Path) -> None:
    """What no key looks like does not reach the API, as a header or otherwise."""
    api = Api()
    visit(tmp_path, api, lambda browser: browser.post("/sign-in", data={"key": "a\r\nX: y\x00"}))

    assert [key for key in api.asked if key is not None] == []


def test_too_many_tries_are_told(tmp_path: Path) -> None:
    """The API slows whoever tries keys, and its sentence is shown."""
    api = Api()

    async def asking(browser: httpx.AsyncClient) -> httpx.Response:
        await browser.get("/")
        api.status = 429
        return await browser.post("/sign-in", data={"key": KEY})

    answer = visit(tmp_path, api, asking)

    assert answer.status_code == 503
    assert "The status is 429." in answer.text


def test_a_revoked_key_is_forgotten(tmp_path: Path) -> None:
    """Whether the door hears of it or what is behind, all lead to the form; it says why, and the browser forgets."""
    inside, api = Inside(), Api()

    async def asking(browser: httpx.AsyncClient) -> list[httpx.Response]:
        first = await browser.post("/gradio_api/run/predict", headers=with_key())
        inside.refuses = True
        refused = await browser.post("/gradio_api/run/predict", headers=with_key())
        del api.names[KEY]
        paths = ("/assets/1.js", "/", refused.headers["location"], "/sign-in")
        return [first, refused, *[await browser.get(path, headers=with_key()) for path in paths]]

    first, refused, part, page, *forms = visit(tmp_path, api, asking, inside=inside)

    assert [each.status_code for each in (first, refused, part, page)] == [200, 401, 401, 303]
    assert {each.headers["location"] for each in (refused, page)} == {"/sign-in?reason=refused"}
    for kept in (refused, part, page):  # whoever comes after it is to be told why as well
        assert "set-cookie" not in kept.headers
    for form in forms:
        assert "no longer accepted" in form.text
        assert 'meshseek=""' in form.headers["set-cookie"]
        assert "max-age=0" in form.headers["set-cookie"].lower()


def test_a_key_goes_on_while_the_api_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was in stays in; who comes with a key of which nothing is known waits, and comes in by itself later."""
    monkeypatch.setattr("meshseek.interfaces.ui.memory.FRESH_SECONDS", -1.0)
    api = Api()

    async def asking(browser: httpx.AsyncClient) -> list[httpx.Response]:
        before = await browser.get("/", headers=with_key())
        api.status = 503
        after = await browser.get("/", headers=with_key())
        return [before, after, await browser.get("/sign-in", headers=with_key(OTHER))]

    before, after, other = visit(tmp_path, api, asking)

    assert (before.status_code, after.status_code) == (200, 200)
    assert other.status_code == 503
    assert '<meta http-equiv="refresh" content="3;url=/">' in other.text


def test_a_page_that_was_open_before_the_api_leads_to_the_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is known the page says that it waits; once the API says that it needs keys, it asks for one."""
    monkeypatch.setattr("meshseek.interfaces.ui.memory.UNKNOWN_SECONDS", -1.0)
    api = Api()
    api.status = 503

    async def asking(browser: httpx.AsyncClient) -> list[int]:
        codes = [(await browser.post("/gradio_api/run/predict")).status_code]
        api.status = None
        return [*codes, (await browser.post("/gradio_api/run/predict")).status_code]

    assert visit(tmp_path, api, asking) == [200, 401]


def test_the_api_is_asked_once_for_many_requests(tmp_path: Path) -> None:
    """A page comes in a hundred parts."""
    api = Api()

    async def asking(browser: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(*(browser.get(f"/assets/{n}.js", headers=with_key()) for n in range(100)))

    assert {answer.status_code for answer in visit(tmp_path, api, asking)} == {200}
    assert sorted(api.asked, key=str) == [None, KEY]


def test_signing_out_forgets_the_key(tmp_path: Path) -> None:
    """And leads to the form."""
    answer = visit(tmp_path, Api(), lambda browser: browser.post("/sign-out", headers=with_key()))

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert 'meshseek=""' in answer.headers["set-cookie"]


def test_a_link_from_elsewhere_leads_to_the_page(tmp_path: Path) -> None:
    """A browser does not send the cookie along with it: a small page has it ask again, as this page's own."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    answer = visit(tmp_path, Api(), lambda browser: browser.get("/", headers=headers))

    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/">' in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("", 400),
        ("localhost:7860", 200),
        ("192.168.1.5", 400),
        ("assets.example.com", 200),
        ("ASSETS.example.com:443", 200),
    ],
)
def test_only_names_of_ours_are_answered(tmp_path: Path, host: str, status: int) -> None:
    """A website that has its own name lead here (DNS rebinding) is not the page's origin."""
    answer = visit(
        tmp_path,
        Api(needed=False),
        lambda browser: browser.get("/", headers={"Host": host}),
        hosts=("assets.example.com",),
        insecure=True,
    )

    assert answer.status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("url", [HERE, LAN])
def test_pages_of_other_websites_may_not_ask(tmp_path: Path, headers: dict[str, str], url: str) -> None:
    """Neither to do something nor to read, on this machine as on a network; and no answer invites them."""
    what = [("POST", "/gradio_api/run/predict"), ("POST", "/gradio_api/upload"), ("POST", "/sign-in")]

    async def asking(browser: httpx.AsyncClient) -> list[httpx.Response]:
        return [await browser.request(*each, headers=headers) for each in (*what, ("GET", "/theme.css"))]

    for answer in visit(tmp_path, Api(needed=False), asking, url, insecure=True):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_every_answer_has_its_headers(tmp_path: Path) -> None:
    """Refusals and forms as well."""

    async def asking(browser: httpx.AsyncClient) -> list[httpx.Response]:
        refused = {"Origin": "https://evil.example"}
        paths = ("/", "/sign-in", "/nothing", "/theme.css")
        return [await browser.get(path, headers=extra) for path in paths for extra in ({}, refused)]

    for answer in visit(tmp_path, Api(), asking):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_whatever_the_page_does_not_need_is_closed(tmp_path: Path) -> None:
    """Gradio's other routes are not even reached, by any method."""
    closed = [
        *("/config", "/config/", "/login", "/login/", "/logout", "/monitoring", "/monitoring/summary", "/monitoring/x"),
        *("/svelte/a", "/pwa_icon", "/pwa_icon/64", "/manifest.json", "/robots.txt", "/openapi.json", "/docs"),
        *(
            f"/gradio_api/{name}"
            for name in (
                *("user", "login_check", "token", "app_id/", "dev/reload", "runs", "deep_link", "info", "openapi.json"),
                *(
                    "custom_component/a/client/b/c",
                    "proxy=http://evil.example/",
                    "stream/a",
                    "stream/a/b/1/playlist.m3u8",
                ),
                *("file/etc/passwd", "reset", "run/x", "api/predict", "call/predict", "call/v2/predict", "queue/join"),
                *("cancel", "queue/data", "queue/status", "component_server", "startup-events", "theme.css"),
                *("process_recording", "vibe-edit", "undo-vibe-edit", "vibe-code", "vibe-starter-queries", "mcp/sse"),
                *("profiling/traces", "run/predict/", "upload/", "simple_predict"),
            )
        ),
    ]

    async def asking(browser: httpx.AsyncClient) -> list[tuple[str, str, int]]:
        methods = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD")
        return [(m, path, (await browser.request(m, path)).status_code) for path in closed for m in methods]

    answers = visit(tmp_path, Api(needed=False), asking)

    assert [answer for answer in answers if answer[2] != 404] == []


def test_a_question_that_breaks_is_asked_again() -> None:
    """What nobody foresaw is not remembered as an answer, or the page would be gone until it is started again."""
    memory: Memory[str] = Memory(1)
    answers: Iterator[Exception | str] = iter([RuntimeError("unforeseen"), "yes"])

    async def ask() -> tuple[str, bool]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer, True

    async def scenario() -> str:
        with pytest.raises(RuntimeError):
            await memory.get("", ask)
        return await memory.get("", ask)

    assert asyncio.run(scenario()) == "yes"


def test_who_hangs_up_is_nobodys_error(tmp_path: Path) -> None:
    """In the middle of the form: an error would be a page of the log, for whoever wants to fill it."""
    keys = Keys("http://api.test", httpx.MockTransport(Api().answer))
    door = Door(Inside(), keys, Rooms(tmp_path), "0.0.0.0")
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/sign-in", "headers": [(b"host", b"10.0.0.1")]}
    scope |= {"server": ("10.0.0.1", 7860), "client": ("10.0.0.2", 1), "scheme": "http", "query_string": b""}
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(door(scope, receive, send))
    assert said == []
