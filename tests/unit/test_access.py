"""Who may ask the API: by which name, from which website, with which key; the whole application, in this process."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as some
from starlette.testclient import TestClient

from meshseek.access import ring
from meshseek.access.keys import Scope, make_key
from meshseek.access.keys_file import KeysFile
from meshseek.access.ring import LastUsed
from meshseek.bootstrap import Meshseek
from meshseek.errors import SettingsError
from meshseek.interfaces.http import addresses, create_app
from meshseek.interfaces.http.access import check_scope
from meshseek.interfaces.http.gate import WITHOUT_KEY
from meshseek.interfaces.http.hosts import Hosts
from meshseek.settings import read_settings

HERE, LAN = "http://localhost:8000", "http://192.168.1.5:8000"
EVIL = "http://evil.example"
Connect = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes is noticed with the next request."""
    monkeypatch.setattr(ring, "LOOK_SECONDS", 0.0)


@pytest.fixture
def connect(tmp_path: Path) -> Connect:
    """Makes a client of the API; connections to one of our addresses come from a machine of the same network."""
    apps: dict[str, FastAPI] = {}

    def client(
        url: str = LAN, *, came_from: str | None = None, server: str | None = None, **settings: Any
    ) -> TestClient:
        app = apps.get(str(settings))
        if app is None:
            app = apps[str(settings)] = create_app(Meshseek(read_settings(workspace=tmp_path, **settings)))

        async def arrived(scope: Any, receive: Any, send: Any) -> None:
            if server is not None:
                scope["server"] = (server, 8000)
            await app(scope, receive, send)

        other = came_from or ("127.0.0.1" if url == HERE else "192.168.1.9")
        return TestClient(arrived, base_url=url, client=(other, 50000), raise_server_exceptions=False)

    return client


def add(folder: Path, scope: Scope = "read", name: str | None = None) -> dict[str, str]:
    """A new key, as a header."""
    text, key = make_key(name or scope, scope)
    KeysFile(folder).add(key)
    return {"Authorization": f"Bearer {text}"}


def code(answer: Any) -> tuple[int, str]:
    """Status and code of an error in our form."""
    return answer.status_code, answer.json()["error"]["code"]


def test_on_this_machine_nobody_needs_a_key(connect: Connect) -> None:
    """By any of its names; who asks may do everything."""
    everything = {"key_needed": False, "name": None, "scopes": ["read", "write", "admin"]}
    for url in (HERE, "http://127.0.0.1:8000", "http://[::1]:8000", "http://LOCALHOST", "http://localhost.:8000"):
        with_server = "::1" if "::1" in url else "127.0.0.1"
        api = connect(url, came_from="::1" if "::1" in url else "127.0.0.1", server=with_server)
        assert api.get("/access").json() == everything
        assert api.get("/openapi.json").status_code == 200


@pytest.mark.parametrize(
    ("server", "came_from", "headers"),
    [
        ("192.168.1.5", "192.168.1.9", {}),
        ("192.168.1.5", "192.168.1.5", {}),
        ("2001:db8::5", "2001:db8::9", {}),
        ("/run/meshseek.sock", "127.0.0.1", {}),
        ("127.0.0.1", "192.168.1.9", {}),
        ("::ffff:192.168.1.5", "::ffff:192.168.1.9", {}),
        ("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "192.168.1.9"}),
        ("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "127.0.0.1, 192.168.1.9"}),
        ("127.0.0.1", "127.0.0.1", {"X-Real-IP": "192.168.1.9"}),
        ("127.0.0.1", "127.0.0.1", {"Forwarded": "for=192.168.1.9"}),
        ("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "unknown"}),
    ],
)
def test_from_elsewhere_a_key_is_needed(
    connect: Connect, tmp_path: Path, server: str, came_from: str, headers: dict[str, str]
) -> None:
    """By any address, and through a proxy on this machine that says for whom it asks."""
    api = connect(HERE, server=server, came_from=came_from)
    assert api.get("/access", headers=headers).json() == {"key_needed": True, "name": None, "scopes": []}
    refused = api.get("/openapi.json", headers=headers)
    assert code(refused) == (403, "no_keys")
    assert "meshseek keys add" in refused.text

    key = add(tmp_path)
    refused = api.get("/openapi.json", headers=headers)
    assert code(refused) == (401, "unauthorized")
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="meshseek"'
    assert api.get("/openapi.json", headers={**headers, **key}).status_code == 200
    assert api.get("/access", headers={**headers, **key}).json() == {
        "key_needed": True,
        "name": "read",
        "scopes": ["read"],
    }


@pytest.mark.parametrize("settings", [{"host": "0.0.0.0"}, {"host": "::"}, {"allowed_hosts": "assets.example.com"}])
def test_a_service_for_others_asks_everybody(connect: Connect, tmp_path: Path, settings: dict[str, str]) -> None:
    """Also on this machine: whatever asks there may ask for somebody elsewhere, as the page does."""
    api = connect(HERE, **settings)
    key = add(tmp_path)
    assert api.get("/access").json()["key_needed"]
    assert code(api.get("/openapi.json")) == (401, "unauthorized")
    assert api.get("/openapi.json", headers=key).status_code == 200


def test_insecure_asks_nobody(connect: Connect) -> None:
    """Whoever reaches the service may come in, where that was said."""
    api = connect(LAN, insecure=True)
    assert api.get("/access").json() == {"key_needed": False, "name": None, "scopes": ["read", "write", "admin"]}
    assert api.get("/openapi.json").status_code == 200


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/docs", "/assets/x", "/no/such/route", "/metrics", "/", "/health/", "//health"]
)
def test_everything_is_behind_the_gate(connect: Connect, tmp_path: Path, path: str) -> None:
    """Whether it is there or not."""
    add(tmp_path)
    assert code(connect().get(path)) == (401, "unauthorized")
    assert code(connect().post(path)) == (401, "unauthorized")


def test_health_is_told_to_anybody(connect: Connect) -> None:
    """Whoever watches the service needs no key for that."""
    assert connect().get("/live").status_code in {200, 404}
    assert connect().get("/ready").status_code in {200, 404, 503}


def test_a_key_that_is_no_good_is_refused_everywhere(connect: Connect, tmp_path: Path) -> None:
    """A changed, unknown or revoked key, another kind, and two at once; also where none is needed at all."""
    good = add(tmp_path)["Authorization"]
    other = make_key("other", "admin")[0]
    for url in (LAN, HERE):
        api = connect(url)
        for header in (
            good[:-1],
            f"{good}x",
            f"Bearer {other}",
            "Bearer",
            "Basic YTpi",
            good.replace("Bearer", "Token"),
        ):
            for path in ("/access", "/openapi.json"):
                refused = api.get(path, headers={"Authorization": header})
                assert code(refused) == (401, "unauthorized")
                assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="meshseek"')
        assert api.get("/access", headers={"Authorization": good.replace("Bearer", "bearer")}).status_code == 200
        twice = api.get("/access", headers=[("Authorization", good), ("Authorization", good)])
        assert code(twice) == (401, "unauthorized")
    KeysFile(tmp_path).revoke("read")
    add(tmp_path, "admin")
    assert code(connect().get("/access", headers={"Authorization": good})) == (401, "unauthorized")


def test_a_damaged_file_locks_everybody_out(connect: Connect, tmp_path: Path) -> None:
    """Also with no key, which would be let in if there were none; this machine is not concerned, nor is health."""
    key = add(tmp_path, "admin")
    (tmp_path / "keys.json").write_text("{")
    for headers in ({}, key):
        refused = connect().get("/openapi.json", headers=headers)
        assert code(refused) == (503, "keys")
        assert str(tmp_path) not in refused.text
    assert connect(HERE).get("/openapi.json").status_code == 200
    assert connect().get("/access").status_code == 200


def test_metrics_are_for_administrators(connect: Connect, tmp_path: Path) -> None:
    """Whether the route is there or not."""
    for scope in ("read", "write"):
        assert code(connect().get("/metrics", headers=add(tmp_path, scope))) == (403, "forbidden")
    assert connect().get("/metrics", headers=add(tmp_path, "admin")).status_code in {200, 404}


@pytest.mark.parametrize("costly", [{"exact": True}, {"rerank": "openai_vlm"}])
def test_what_costs_needs_its_scope(connect: Connect, tmp_path: Path, costly: dict[str, Any]) -> None:
    """A key that may only read does not make others pay or wait; what it may is checked before anything is done."""
    search = {"query": "chair", "algorithm": "none", **costly}
    form = {"file": ("x.png", b"x", "image/png")}
    fields = {"algorithm": "lite", **{name: str(value) for name, value in costly.items()}}
    api, key = connect(), add(tmp_path)
    for refused in (
        api.post("/search/text", json=search, headers=key),
        api.post("/search/image", data=fields, files=form, headers=key),
    ):
        assert code(refused) == (403, "forbidden")
        assert "'write'" in refused.text
    for scope in ("write", "admin"):
        key = add(tmp_path, scope)
        assert api.post("/search/text", json=search, headers=key).status_code == 404
        assert code(api.post("/search/image", data=fields, files=form, headers=key)) == (422, "image")
    search = {"query": "chair", "algorithm": "none"}
    assert api.post("/search/text", json=search, headers=add(tmp_path, name="another")).status_code == 404


def test_a_route_says_what_it_needs(connect: Connect, tmp_path: Path) -> None:
    """In one line, for routes to come."""
    api = connect()
    app = create_app(Meshseek(read_settings(workspace=tmp_path)))

    @app.get("/costly")
    def costly(request: Request) -> str:
        check_scope(request.state.caller, "write")
        return "done"

    api = TestClient(app, base_url=LAN, client=("192.168.1.9", 1))
    assert code(api.get("/costly", headers=add(tmp_path))) == (403, "forbidden")
    assert api.get("/costly", headers=add(tmp_path, "write")).json() == "done"


def test_when_a_key_was_used_is_kept(connect: Connect, tmp_path: Path) -> None:
    """Written beside the request; at the latest when the service ends."""
    key = add(tmp_path)
    app = create_app(Meshseek(read_settings(workspace=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")))
    with TestClient(app, base_url=LAN, client=("192.168.1.9", 1)) as api:
        assert api.get("/access", headers=key).status_code == 200
    assert LastUsed(tmp_path).read().keys() == {key["Authorization"][11:19]}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.2",
        "",
        "a b",
        "[::2]",
        "192.168.1.6:8000",
        "localhost:80:80",
        "localhost@evil.example",
        "::1",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_dns_cannot_lead_a_website_here(connect: Connect, tmp_path: Path, host: str, method: str) -> None:
    """A name of somebody else's that leads to this machine is refused, with or without a key, whatever is asked for."""
    for url in (HERE, LAN):
        for headers in ({}, add(tmp_path, name=f"for-{len(url)}")):
            answer = connect(url, server=None if url == LAN else "127.0.0.1").request(
                method, "/access", headers={"Host": host, **headers}
            )
            assert code(answer) == (400, "unknown_host")
            assert "access-control-allow-origin" not in answer.headers


@given(some.binary(max_size=60) | some.from_regex(rb"(localhost|127\.0\.0\.1|\[::1\]|192\.168\.1\.5)[ -~]*"))
def test_any_host_is_one_of_ours_or_refused(host: bytes) -> None:
    """Whatever stands there, what is let in is a name of ours with or without a port, to the letter."""
    hosts = Hosts(FastAPI())
    if hosts._is_ours(host, {"server": ("192.168.1.5", 8000)}):
        name = re.sub(rb":[0-9]{0,5}\Z", b"", host).decode("ascii").lower().removesuffix(".")
        assert name in {"localhost", "127.0.0.1", "[::1]", "192.168.1.5", "[::ffff:192.168.1.5]", "[::ffff:c0a8:105]"}


def test_names_of_ours(connect: Connect) -> None:
    """Those that were allowed, with any port, and the address that the connection was made to."""
    names = "assets.example.com, *.Example.org,[2001:db8::1]"
    for host in (
        "assets.example.com",
        "ASSETS.example.com:443",
        "a.example.org",
        "b.a.example.org:1",
        "[2001:db8::1]:8000",
        "192.168.1.5",
    ):
        assert connect(LAN, allowed_hosts=names).get("/access", headers={"Host": host}).status_code == 200, host
    for host in ("example.org", "evilexample.org", "x.assets.example.com", "assets.example.com.evil.example"):
        assert connect(LAN, allowed_hosts=names).get("/access", headers={"Host": host}).status_code == 400, host
    link = connect(server="fe80::1%eth0").get("/access", headers={"Host": "[fe80::1]:8000"})
    mapped = connect(server="::ffff:10.0.0.1").get("/access", headers={"Host": "10.0.0.1:8000"})
    assert (link.status_code, mapped.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_hosts", "*"),
        ("allowed_hosts", "http://example.com"),
        ("allowed_hosts", "example.com:80"),
        ("allowed_hosts", "a.*.com"),
        ("allowed_origins", "*"),
        ("allowed_origins", "example.com"),
        ("allowed_origins", "https://example.com/path"),
        ("rate_limit", "0/minute"),
        ("rate_limit", "many"),
        ("rate_limit", ""),
        ("statement_seconds", "0.0001"),
        ("statement_seconds", "inf"),
        ("rate_limit_address", "10/fortnight"),
        ("request_seconds", "0"),
    ],
)
def test_settings_that_would_open_everything_or_mean_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """One line that names the setting."""
    monkeypatch.setenv(f"MESHSEEK_{name.upper()}", value)
    with pytest.raises(SettingsError, match=rf"^[^\n]*MESHSEEK_{name.upper()}[^\n]*$"):
        read_settings()


FOREIGN: list[dict[str, str]] = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": "http://localhost:7860"},
    {"Origin": "http://localhost:8000.evil.example"},
    {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_other_websites_may_not_ask(connect: Connect, headers: dict[str, str]) -> None:
    """Neither with what browsers send without asking first, such as a form with a picture, nor with anything else."""
    api = connect(HERE)
    form = {"file": ("x.png", b"x", "image/png")}
    for answer in (
        api.post("/search/image", files=form, headers=headers),
        api.post("/search/text", json={"query": "chair"}, headers=headers),
        api.get("/assets/x/similar", headers=headers),
        api.options("/search/text", headers={**headers, "Access-Control-Request-Method": "POST"}),
    ):
        assert code(answer) == (403, "foreign_origin")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": HERE},
        {"Origin": "https://LOCALHOST:8000"},
        {"Sec-Fetch-Site": "same-origin", "Origin": HERE},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
    ids=str,
)
def test_programs_and_our_own_pages_may_ask(connect: Connect, headers: dict[str, str]) -> None:
    """Programs say nothing of where they come from; a page that we served says that it is ours."""
    answer = connect(HERE).post("/search/text", json={"query": ""}, headers=headers)
    assert code(answer) == (422, "query")


def test_a_link_to_us_may_be_followed(connect: Connect) -> None:
    """From any website, as long as it only shows something; a form that is sent from there is no link."""
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    api = connect(HERE)
    assert api.get("/openapi.json", headers=followed).status_code == 200
    assert code(api.post("/search/text", json={"query": ""}, headers=followed)) == (403, "foreign_origin")


def test_websites_that_are_allowed(connect: Connect, tmp_path: Path) -> None:
    """Browsers are told so before and after, also of errors, and that a key may be sent; others are told nothing."""
    origin, key = "https://tools.example.com", add(tmp_path)
    api = connect(LAN, allowed_origins=f"{origin},https://b.example.com")
    before = api.options(
        "/search/text",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
            "Sec-Fetch-Site": "cross-site",
        },
    )
    assert (before.status_code, before.headers["access-control-allow-origin"]) == (200, origin)
    assert "authorization" in before.headers["access-control-allow-headers"].lower()
    for headers in ({}, key):
        answer = api.post("/search/text", json={"query": ""}, headers={**headers, "Origin": origin})
        assert answer.status_code == (422 if headers else 401)
        assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
    assert code(api.post("/search/text", json={}, headers={**key, "Origin": EVIL})) == (403, "foreign_origin")


def test_every_answer_tells_browsers_what_not_to_do(connect: Connect, tmp_path: Path) -> None:
    """Answers, errors of routes, and refusals of each kind."""
    key = add(tmp_path)
    for answer in (
        connect().get("/openapi.json", headers=key),
        connect().get("/facets/price", headers=key),
        connect().get("/openapi.json"),
        connect().get("/access", headers={"Host": "evil.example"}),
        connect().get("/access", headers={"Origin": EVIL}),
    ):
        told = {
            name: answer.headers.get(name)
            for name in ("x-content-type-options", "x-frame-options", "referrer-policy", "cross-origin-resource-policy")
        }
        assert list(told.values()) == ["nosniff", "DENY", "no-referrer", "same-origin"]
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (
        connect(allowed_origins="https://a.example").get("/access").headers["cross-origin-resource-policy"]
        == "cross-origin"
    )


def test_files_run_nothing_and_shared_caches_keep_nothing(tmp_path: Path) -> None:
    """A picture that is opened by itself is a sandbox; what a key opened is for its owner alone."""
    app = create_app(Meshseek(read_settings(workspace=tmp_path)))

    @app.get("/picture")
    def picture() -> Any:
        from starlette.responses import Response  # noqa: PLC0415

        return Response(b"x", media_type="image/png", headers={"Cache-Control": "max-age=3600"})

    key = add(tmp_path)
    answers = {
        url: TestClient(app, base_url=url, client=(came_from, 1)).get("/picture", headers=headers)
        for url, came_from, headers in ((LAN, "192.168.1.9", key), (HERE, "127.0.0.1", {}))
    }
    assert [answer.headers["cache-control"] for answer in answers.values()] == ["private, max-age=3600", "max-age=3600"]
    for answer in answers.values():
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert TestClient(app, base_url=LAN).get("/openapi.json", headers=key).headers["cache-control"] == "private"


def test_requests_with_a_key_are_counted(connect: Connect, tmp_path: Path) -> None:
    """The next one too many is told when to come again; other keys are not concerned, nor are requests without one."""
    api = connect(LAN, rate_limit="3/minute")
    key, other = add(tmp_path), add(tmp_path, "write")
    assert [api.get("/access", headers=key).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = api.get("/openapi.json", headers=key)
    assert code(refused) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert api.get("/access", headers=other).status_code == 200
    assert api.get("/access").status_code == 200


def test_requests_of_an_address_are_counted(connect: Connect, tmp_path: Path) -> None:
    """With a key or without; 64 bits of IPv6 are one address; this machine is not counted."""
    limited = {"rate_limit_address": "2/minute"}
    for address in ("192.168.1.9", "10.0.0.1"):
        api = connect(LAN, came_from=address, **limited)
        assert [api.get("/access").status_code for _ in range(3)] == [200, 200, 429]
    network = [
        connect(LAN, came_from=f"2001:db8::{number}", **limited).get("/access").status_code for number in range(3)
    ]
    assert network == [200, 200, 429]
    assert connect(LAN, came_from="2001:db8:0:1::1", **limited).get("/access").status_code == 200
    key = add(tmp_path)
    api = connect(LAN, came_from="10.0.0.2", **limited)
    assert [api.get("/access", headers=key).status_code for _ in range(3)] == [200, 200, 429]
    assert {connect(HERE, **limited).get("/access").status_code for _ in range(5)} == {200}


def test_whoever_watches_is_never_told_to_wait(connect: Connect) -> None:
    """A balancer has the address of all for whom it asks: none of them makes it think that the service is gone."""
    api = connect(LAN, rate_limit_address="2/minute")
    assert [api.get("/access").status_code for _ in range(3)] == [200, 200, 429]
    assert {api.get("/live").status_code for _ in range(5)} == {200}
    assert 429 not in {api.get("/ready").status_code for _ in range(2)}


def test_an_error_does_not_repeat_all_that_was_sent(connect: Connect) -> None:
    """It quotes what is wrong, though not at length."""
    refused = connect(HERE).post("/search/text", json={"query": "x", "filters": {"a" * 90_000: "b"}})
    assert code(refused) == (422, "invalid")
    assert len(refused.content) < 2000


def test_what_strangers_call_us_is_not_kept(connect: Connect) -> None:
    """Names in headers are as long as headers may be, and there is no end of them."""
    api, before = connect(LAN), addresses._address.cache_info().currsize
    for number in range(5):
        name = f"{number}." + "a" * 5000
        assert code(api.get("/live", headers={"Host": name})) == (400, "unknown_host")
        assert connect(HERE).get("/access", headers={"X-Forwarded-For": name}).json()["key_needed"]
    assert addresses._address.cache_info().currsize <= before + 4
    assert len(addresses.counted_as("a" * 5000)) == addresses.LONGEST


def test_guesses_are_counted_more_strictly(connect: Connect, tmp_path: Path) -> None:
    """After twenty keys that are no good an address is told to wait; who has a good key at that address is not."""
    key, wrong = add(tmp_path), {"Authorization": f"Bearer {make_key('x', 'read')[0]}"}
    api = connect()
    statuses = [api.get("/access", headers=wrong).status_code for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    assert api.get("/access", headers=key).status_code == 200
    assert connect(came_from="10.0.0.1").get("/access", headers=wrong).status_code == 401


def test_limits_can_be_turned_off(connect: Connect, tmp_path: Path) -> None:
    """By a word."""
    assert read_settings(rate_limit="off").rate_limit is None
    api, key = connect(LAN, rate_limit="off", rate_limit_address="off"), add(tmp_path)
    assert {api.get("/access", headers=key).status_code for _ in range(10)} == {200}


def test_the_document_says_how_a_key_is_sent(connect: Connect) -> None:
    """And with which answers a request may be refused before it is looked at."""
    document = connect(HERE).get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert path in WITHOUT_KEY or operation["security"] == [{"key": []}], path
            assert {"400", "401", "403", "408", "429"} <= operation["responses"].keys(), path


def test_nothing_but_http_is_spoken(connect: Connect) -> None:
    """There are no websockets, and no rule lets them in."""
    from starlette.websockets import WebSocketDisconnect  # noqa: PLC0415

    with pytest.raises(WebSocketDisconnect), connect(HERE).websocket_connect("/access"):
        pass
