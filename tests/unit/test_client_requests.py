"""The client: where each question goes, what is asked again, what is bounded, and what errors say."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from pydantic import ValidationError

import meshseek
from meshseek.access.keys import make_key
from meshseek.client import Client, Likeness, QueryType, Relevance, Sort, Target, Use
from meshseek.client.questions import PICTURE_BYTES
from meshseek.errors import ApiError, InputError
from meshseek.images import MAX_IMAGE_BYTES
from meshseek.licences import USE_NAMES
from meshseek.model import LANGUAGES, RELEVANCES
from meshseek.search.browsing import SORTS
from meshseek.search.modes import MODES

ROOT = Path(__file__).parents[2]
Handler = Callable[[httpx.Request], httpx.Response]
FOUND = {"results": [{"asset_id": "a/b", "score": 0.5}], "algorithm": "lite", "target": "both"}


def client(answer: Handler, **options: Any) -> Client:
    """Of an API that answers like this."""
    return Client("http://api.test", transport=httpx.MockTransport(answer), **options)


@pytest.fixture
def sent() -> list[httpx.Request]:
    """What a client of :func:`recording` asks."""
    return []


def recording(sent: list[httpx.Request], answer: Any = None) -> Client:
    """A client whose requests are kept."""

    def handler(request: httpx.Request) -> httpx.Response:
        request.read()
        sent.append(request)
        return httpx.Response(200, json=FOUND if answer is None else answer)

    return client(handler)


def test_importing_meshseek_imports_no_client() -> None:
    """Commands need none of it; who asks for the client gets it, and other names are told to be none."""
    script = "import sys, meshseek; assert 'httpx' not in sys.modules; meshseek.Client; assert 'httpx' in sys.modules"
    heavy = "; assert not {'torch', 'PIL', 'numpy', 'fastapi', 'psycopg'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", script + heavy], check=True)

    assert meshseek.Client is Client
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = meshseek.Klient


def test_each_kind_of_query_goes_to_its_route(sent: list[httpx.Request], tmp_path: Path) -> None:
    """Words and pictures alone to their own; an asset, several, and weighted parts to that of combined queries."""
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(b"pixels")
    asked = recording(sent)
    asked.search("chair", top_k=3, target=None)
    asked.search(image=picture, filters={"category": "Chairs"}, collapsed=True)
    asked.search(image=b"pixels")
    asked.search(like="a/b")
    asked.search("chair", image=str(picture), parts=[{"text": "wood", "weight": -1}], facets=["tags"])

    paths = ["/search/text", "/search/image", "/search/image", "/search", "/search"]
    assert [request.url.path for request in sent] == paths
    assert json.loads(sent[0].content) == {"query": "chair", "top_k": 3}
    assert b'name="filters"\r\n\r\n{"category": "Chairs"}' in sent[1].content
    assert b'name="collapsed"\r\n\r\ntrue' in sent[1].content
    assert b"pixels" in sent[2].content
    assert json.loads(sent[3].content) == {"parts": [{"asset_id": "a/b"}]}
    assert json.loads(sent[4].content) == {
        "parts": [{"text": "chair"}, {"image": "cGl4ZWxz"}, {"text": "wood", "weight": -1}],
        "facets": ["tags"],
    }


def test_answers_are_typed_and_frozen(sent: list[httpx.Request]) -> None:
    """What an older API does not tell has a default; facets are values, or how numbers are spread."""
    spread = {"min": 1, "max": 9, "buckets": [{"min": 1, "max": 9, "count": 2}]}
    facets = {"tags": [{"value": "oak", "count": 2}], "faces": spread}
    answer = recording(sent, {**FOUND, "facets": facets, "counted": 2}).search("chair")

    assert (answer.results[0].asset_id, answer.results[0].relevance, answer.partial) == ("a/b", None, False)
    tags, faces = answer.facets["tags"], answer.facets["faces"]
    assert isinstance(tags, tuple)
    assert not isinstance(faces, tuple)
    assert (tags[0].value, faces.buckets[0].count) == ("oak", 2)
    with pytest.raises(ValidationError, match="frozen"):
        answer.partial = True  # type: ignore[misc]


def test_the_library_comes_page_by_page() -> None:
    """Each page is asked for when it is wanted, with the cursor of the one before it."""
    asked: list[dict[str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        cursor = "next" if len(asked) < 3 else None
        page: dict[str, Any] = {
            "assets": [{"asset_id": str(len(asked))}],
            "cursor": cursor,
            "total": 3,
            "facets": {},
            "counted": 3,
        }
        return httpx.Response(200, json=page)

    pages = client(handler).assets(sort="-faces", limit=1, category="Chairs")
    assert next(pages).assets[0].asset_id == "1"
    assert len(asked) == 1
    assert [page.assets[0].asset_id for page in pages] == ["2", "3"]
    first = {"sort": "-faces", "limit": "1", "filters": '{"category": "Chairs"}'}
    assert asked == [first, first | {"cursor": "next"}, first | {"cursor": "next"}]
    assert list(client(handler).assets(filters={"category": "Chairs"}, faces={"max": 5}))
    assert asked[-1] == {"limit": "50", "filters": '{"category": "Chairs", "faces": {"max": 5}}'}
    assert list(client(handler).assets())
    assert asked[-1] == {"limit": "50"}


def test_an_error_has_the_words_of_the_api() -> None:
    """Its code, its message, its status, and the number by which the log knows it."""
    told = {"error": {"code": "not_found", "message": "there is no asset 'x'", "request_id": "7"}}
    with pytest.raises(ApiError, match="there is no asset 'x'") as caught:
        client(lambda _: httpx.Response(404, json=told)).asset("x")
    assert (caught.value.code, caught.value.status, caught.value.request_id) == ("not_found", 404, "7")


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        (httpx.Response(502, text="<html>"), "status", 502),
        (httpx.Response(302, headers={"Location": "http://evil.example"}), "status", 302),
        (httpx.Response(500, json={"error": "down"}), "status", 500),
        (httpx.Response(404, json={"detail": "Not Found"}), "not_understood", 404),
        (httpx.Response(405, text="no"), "not_understood", 405),
        (httpx.Response(422, json={"error": {"message": "no words"}}), "unnamed", 422),
        (httpx.Response(200, json=[1]), "not_understood", None),
        (httpx.Response(200, content=b"[" * 100_000), "not_understood", None),
        (httpx.ConnectError("refused"), "unreachable", None),
        (httpx.ConnectTimeout("slow"), "unreachable", None),
        (httpx.ReadTimeout("slow"), "timeout", None),
    ],
)
def test_whatever_else_happens_is_one_kind_of_error(
    answer: httpx.Response | httpx.HTTPError, code: str, status: int | None
) -> None:
    """In one line, with a code of the client's own; no redirect is followed."""

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.test"
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer

    with pytest.raises(ApiError) as caught:
        client(handler).search("chair")
    assert (caught.value.code, caught.value.status) == (code, status)
    assert "\n" not in str(caught.value)


def test_what_is_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that it names, within bounds, and not for ever; what names no time is not."""
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    busy = {"error": {"code": "busy", "message": "too much"}}
    answers = iter(
        [
            httpx.Response(503, json=busy, headers={"Retry-After": "2"}),
            httpx.Response(429, json=busy, headers={"Retry-After": "999"}),
            httpx.Response(200, json=FOUND),
        ]
    )
    assert client(lambda _: next(answers)).search("chair").results
    assert waits == [2, 10]
    for headers, retries, times in (({"Retry-After": "1"}, 2, 2), ({}, 2, 0), ({"Retry-After": "1"}, 0, 0)):
        waits.clear()
        with pytest.raises(ApiError, match="too much") as caught:
            client(partial(_busy, busy, headers), retries=retries).search("x")
        assert (caught.value.code, len(waits)) == ("busy", times)


def _busy(told: Any, headers: dict[str, str], _: httpx.Request) -> httpx.Response:
    return httpx.Response(503, json=told, headers=headers)


def test_what_broke_is_asked_again_where_it_only_reads() -> None:
    """Once; a search may be paid for, and is not sent twice."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        raise httpx.RemoteProtocolError("closed")

    for ask in (lambda: client(handler).asset("a"), lambda: client(handler).search("chair")):
        with pytest.raises(ApiError, match="does not answer"):
            ask()
    assert asked == ["GET", "GET", "POST"]


def test_a_download_is_whole_or_not_there(tmp_path: Path) -> None:
    """What breaks, is refused or is too large leaves what was there, and nothing beside it."""
    file = tmp_path / "chair.glb"
    file.write_bytes(b"old")

    def broken() -> Iterator[bytes]:
        yield b"glTF"
        raise httpx.ReadError("cut")

    refusal = {"error": {"code": "not_found", "message": "asset 'a' has no model file"}}
    for answer, most in (
        (lambda _: httpx.Response(200, content=broken()), 100),
        (lambda _: httpx.Response(404, json=refusal), 100),
        (lambda _: httpx.Response(200, content=b"x" * 101), 100),
    ):
        with pytest.raises(ApiError):
            client(answer).download("a", file, most=most)
        assert ([*tmp_path.iterdir()], file.read_bytes()) == ([file], b"old")

    assert client(lambda _: httpx.Response(200, content=b"glTF")).download("a", file) == file
    assert file.read_bytes() == b"glTF"
    with pytest.raises(InputError, match="choose another place"):
        client(lambda _: httpx.Response(200, content=b"glTF")).download("a", tmp_path / "none" / "a.glb")


def test_what_is_held_in_memory_is_bounded() -> None:
    """A larger answer is refused, and says how much is taken."""
    with pytest.raises(ApiError, match="more than 1,000 bytes") as caught:
        client(lambda _: httpx.Response(200, content=b"x" * 1001)).read("/assets/a/views/0", most=1000)
    assert caught.value.code == "too_large"


def test_a_key_goes_to_the_one_service(sent: list[httpx.Request]) -> None:
    """It is checked for its form, never shown, and no address in an answer takes it elsewhere."""
    key = make_key("artist", "read")[0]
    asked = recording(sent).with_key(key)
    asked.search("chair")
    assert sent[0].headers["Authorization"] == f"Bearer {key}"
    for elsewhere in ("http://evil.example/a", "//evil.example/a", ""):
        with pytest.raises(ApiError, match="check the address"):
            asked.read(elsewhere)
    assert len(sent) == 1
    with pytest.raises(InputError, match="'meshseek keys add NAME'") as caught:
        Client("http://api.test", f"{key}?")
    assert key not in str(caught.value)
    with pytest.raises(InputError, match="'meshseek keys add NAME'"):
        asked.with_key(f"{key}\n")


def test_who_has_no_key_is_told_how_the_client_takes_one() -> None:
    """The service's own words are for those who send requests by hand; with a key, what it says of that counts."""
    told = {"error": {"code": "unauthorized", "message": "send it in the header", "request_id": "7"}}
    asked = client(lambda _: httpx.Response(401, json=told))
    with pytest.raises(ApiError, match=r"^this service needs a key; give one as in Client\(url, key\)$") as caught:
        asked.search("chair")
    assert (caught.value.code, caught.value.status, caught.value.request_id) == ("unauthorized", 401, "7")
    with pytest.raises(ApiError, match=r"^send it in the header$"):
        asked.with_key(make_key("artist", "read")[0]).search("chair")


def test_what_is_closed_is_told(sent: list[httpx.Request], tmp_path: Path) -> None:
    """As a mistake of the caller, with the cure; the same connections are closed for every key."""
    with recording(sent) as asked:
        other = asked.with_key(make_key("artist", "read")[0])
    for ask in (lambda: asked.search("chair"), other.health, lambda: asked.download("a", tmp_path / "a.glb")):
        with pytest.raises(InputError, match="this client is closed; make another one, or ask inside its 'with' block"):
            ask()
    assert sent == []


@pytest.mark.parametrize("url", ["", "meshseek", "ftp://host", "http://", "http://host:port"])
def test_what_is_no_address_is_told(url: str) -> None:
    """With one that is."""
    with pytest.raises(InputError, match=r"give one such as http://127\.0\.0\.1:8000"):
        Client(url)


def test_what_cannot_be_asked_is_told(sent: list[httpx.Request], tmp_path: Path) -> None:
    """Before anything is sent: no query, a picture that is not there, and one that nobody would take."""
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(PICTURE_BYTES + 1)
    asked = recording(sent)
    with pytest.raises(InputError, match="give text, image, like or parts"):
        asked.search()
    with pytest.raises(InputError, match=r"cannot read .*gone\.png: No such file"):
        asked.search(image=tmp_path / "gone.png")
    with pytest.raises(InputError, match="give one of at most 10 MB"):
        asked.search(image=huge)
    os.mkfifo(tmp_path / "pipe.png")
    for path, words in (("pipe.png", "it is a pipe"), ("nul\0.png", "null"), ("", "directory")):
        with pytest.raises(InputError, match=f"cannot read .*{words}.*; give the path of a picture"):
            asked.search(image=tmp_path / path)
    assert sent == []
    assert MAX_IMAGE_BYTES < PICTURE_BYTES


def test_the_choices_of_the_client_are_those_of_the_api(sent: list[httpx.Request]) -> None:
    """Its types name them, so that a type checker knows a wrong one; the others are the API's to refuse."""
    assert {*get_args(Sort)} == {*SORTS}
    assert get_args(Relevance) == RELEVANCES
    assert {*get_args(Use)} == {*USE_NAMES}
    assert get_args(QueryType) == ("auto", *LANGUAGES)
    assert {*get_args(Target)} <= {*MODES.names}
    assert {*get_args(Likeness)} == {name for name in get_args(Target) if MODES.load(name).likeness}

    asked = recording(sent, {"assets": []})
    asked.page(sort="price")  # type: ignore[arg-type]
    assert sent[0].url.params["sort"] == "price"


def test_the_kept_reference_is_that_of_the_source() -> None:
    """A change to a method or what is said of it is seen in the page; 'make client-reference' writes it anew."""
    made = runpy.run_path(str(ROOT / "scripts" / "client_reference.py"))["document"]()

    assert (ROOT / "docs" / "client-reference.md").read_text("utf-8") == made
