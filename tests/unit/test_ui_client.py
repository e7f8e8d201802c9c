"""The page's view of the API: what is asked, and how failures are put into words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from meshseek.errors import InputError, MeshseekError, ServiceError
from meshseek.interfaces.ui import PageOptions
from meshseek.interfaces.ui.__main__ import main
from meshseek.interfaces.ui.answers import Asked, Search
from meshseek.interfaces.ui.client import ApiClient, sentence

ANSWER = {
    "results": [{"asset_id": "a/b", "score": 0.5, "attributes": {"category": "Chairs"}}],
    "algorithm": "lite",
    "query_type": "english",
    "cross_modal": False,
    "target": "caption",
    "took_ms": {"embed": 1.0, "search": 2.0, "total": 3.0},
}

CHAIR = (Asked(text="chair"),)
MARY, FRED = (f"msk_{name}_{'a' * 43}" for name in ("abcdefgh", "ijklmnop"))


def client(answer: Callable[[httpx.Request], httpx.Response]) -> ApiClient:
    """A client of an API that answers like this."""
    return ApiClient("http://api.test/", httpx.MockTransport(answer))


def test_text_search_sends_what_was_chosen() -> None:
    """Words, options and the category go into one JSON body."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=ANSWER)

    search = Search(
        parts=CHAIR,
        algorithm="lite",
        target="both",
        language="english",
        varied=False,
        collapsed=True,
        filters={"category": ["Chairs"]},
        facets=("category",),
        limit=8,
    )
    found = client(answer).search(search, offset=8)

    expected = {
        "query": "chair",
        "algorithm": "lite",
        "target": "both",
        "top_k": 8,
        "offset": 8,
        "diverse": False,
        "collapsed": True,
        "query_type": "english",
        "filters": {"category": ["Chairs"]},
        "facets": ["category"],
    }
    assert expected == json.loads(sent[0].content)
    assert [result.asset_id for result in found.results] == ["a/b"]


def test_choices_that_were_not_made_are_left_to_the_api() -> None:
    """Without an algorithm, a target and a switch none of them is sent: to an older API they may be unknown."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=ANSWER)

    client(answer).search(Search(parts=CHAIR))

    assert {"query", "top_k", "offset", "filters"} == set(json.loads(sent[0].content))


def test_cross_modal_is_sent_where_it_was_chosen(tmp_path: Path) -> None:
    """The switch goes to the API by its own name, with words as with a picture."""
    sent: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.read())
        return httpx.Response(200, json=ANSWER)

    picture = tmp_path / "picture.png"
    picture.write_bytes(b"picture")
    client(answer).search(Search(parts=CHAIR, cross_modal=True))
    client(answer).search(Search(parts=(Asked(picture=picture),), cross_modal=True))

    assert json.loads(sent[0])["cross_modal"] is True
    assert b'name="cross_modal"\r\n\r\ntrue\r\n' in sent[1]


def test_similar_assets_are_asked_for_without_options_of_a_search() -> None:
    """What is like an asset has neither pages nor words."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={**ANSWER, "query_type": None})

    client(answer).similar("a/b", Search(algorithm="lite", cross_modal=True, varied=False, limit=8))

    assert dict(sent[0].url.params) == {"top_k": "8", "algorithm": "lite"}


def test_several_things_go_into_one_question(tmp_path: Path) -> None:
    """Words, pictures and assets with their weights; likewise one of them that does not count fully."""
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/search"
        sent.append(json.loads(request.content))
        return httpx.Response(200, json=ANSWER)

    picture = tmp_path / "picture.png"
    picture.write_bytes(b"picture")
    parts = (Asked(text="chair"), Asked(text="wood", weight=-0.5), Asked(picture=picture), Asked(asset_id="a/b"))
    for asked in (parts, parts[1:2]):
        client(answer).search(Search(parts=asked, language="english"))

    english = {"query_type": "english"}
    assert sent[0]["parts"] == [
        {"text": "chair", "weight": 1, **english},
        {"text": "wood", "weight": -0.5, **english},
        {"image": "cGljdHVyZQ==", "weight": 1},
        {"asset_id": "a/b", "weight": 1},
    ]
    assert sent[1]["parts"] == [{"text": "wood", "weight": -0.5, **english}]


def explaining(asset_id: str) -> Callable[[httpx.Request], httpx.Response]:
    """An API whose only result is this asset, explained where that is asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        explanation = {"parts": {"caption": asked["offset"]}, "texts": []} if asked["explain"] else None
        result = {"asset_id": asset_id, "score": 1.0, "explanation": explanation}
        return httpx.Response(200, json={**ANSWER, "results": [result] * asked["top_k"]})

    return answer


def test_explanation_is_that_of_the_result_at_its_rank() -> None:
    """The same search is asked for that one result."""
    told = client(explaining("a/b")).explanation(Search(parts=CHAIR, limit=8), 3, "a/b")

    assert told is not None
    assert told.parts == {"caption": 3}


def test_explanation_of_another_asset_is_not_taken() -> None:
    """Where the library has changed meanwhile, another asset may stand at that rank."""
    assert client(explaining("other")).explanation(Search(parts=CHAIR), 3, "a/b") is None


def test_answer_of_an_older_api_says_nothing_of_relevance() -> None:
    """What an older API does not tell is left open, and nothing is claimed."""
    answer = client(lambda _: httpx.Response(200, json=ANSWER)).search(Search(parts=CHAIR))

    assert answer.results[0].relevance is None
    assert answer.results[0].explanation is None
    assert not answer.nothing_close


def test_picture_that_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    """An upload that was cleaned away in the meantime is the visitor's to repeat."""
    search = Search(parts=(Asked(picture=tmp_path / "gone.png"),))

    with pytest.raises(InputError, match="add it again"):
        client(lambda _: httpx.Response(200, json=ANSWER)).search(search)


def test_mistake_is_told_as_a_sentence() -> None:
    """The API's message about a bad query is shown as a sentence."""
    refusal = {"error": {"code": "query", "message": "the query is empty; type some words"}}

    with pytest.raises(InputError, match=r"^The query is empty; type some words\.$"):
        client(lambda _: httpx.Response(422, json=refusal)).search(Search(parts=(Asked(text=" "),)))


@pytest.mark.parametrize(("status", "waiting_helps"), [(500, False), (502, True), (503, True)])
def test_answer_that_is_not_ours_is_told_by_its_status(status: int, waiting_helps: bool) -> None:  # noqa: FBT001
    """What a proxy says instead of the API is not shown, its status is; a fault of the API is not asked for again."""
    with pytest.raises(MeshseekError, match=f"HTTP {status}") as caught:
        client(lambda _: httpx.Response(status, text="<html>Bad gateway</html>")).search(Search(parts=CHAIR))

    assert isinstance(caught.value, ServiceError) == waiting_helps


def test_answer_of_another_form_is_told() -> None:
    """An answer without results is not understood, and says so."""
    with pytest.raises(ServiceError, match="does not understand"):
        client(lambda _: httpx.Response(200, json={"hits": []})).search(Search(parts=CHAIR))


@pytest.mark.parametrize("content", ["<html>", "", '{"a": 1}', '["a"]', "[[]]", "null", b"\xff"])
def test_no_answer_lets_a_stranger_s_error_out(content: str | bytes) -> None:
    """Whatever comes instead of what was asked for is not understood; a camera that is not understood is not told."""
    odd = client(lambda _: httpx.Response(200, content=content))
    for ask in (lambda: odd.categories("lite"), odd.abilities, lambda: odd.search(Search(parts=CHAIR))):
        with pytest.raises(ServiceError, match="does not understand"):
            ask()
    assert odd.camera("/assets/a/views/0") in (None, {"a": 1})


@pytest.mark.parametrize("choices", [["a"], [None], "abc", 7, {"enum": []}])
def test_a_description_of_another_form_is_told(choices: object) -> None:
    """Targets are where they were, or the page says that it does not understand."""
    document = {"components": {"schemas": {"TextSearch": {"properties": {"target": {"anyOf": choices}}}}}}
    with pytest.raises(ServiceError, match="does not understand"):
        client(lambda _: httpx.Response(200, json=document)).abilities()


@pytest.mark.parametrize(
    ("failure", "words"),
    [(httpx.ConnectError("refused"), "does not answer"), (httpx.ReadTimeout("slow"), "takes too long")],
    ids=["down", "slow"],
)
def test_silent_api_is_told(failure: httpx.HTTPError, words: str) -> None:
    """An API that is down or slow is our failure, in one sentence."""

    def answer(_: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(ServiceError, match=words):
        client(answer).health()


def test_health_of_an_api_that_is_not_ready_is_an_answer() -> None:
    """Status 503 with states is no failure of the question."""
    states = {"status": "unavailable", "algorithms": {"lite": "loading", "siglip": "not published"}}

    health = client(lambda _: httpx.Response(503, json=states)).health()

    assert health.loading
    assert health.ready == []


def test_targets_come_from_the_description_of_the_api() -> None:
    """A search mode that is added to the API appears in the menu."""
    target = {"anyOf": [{"type": "string", "enum": ["appearance", "caption", "sketch"]}, {"type": "null"}]}
    document = {"components": {"schemas": {"TextSearch": {"properties": {"target": target}}}}, "paths": {"/assets": {}}}

    told = client(lambda _: httpx.Response(200, json=document)).abilities()
    assert told.targets == ("appearance", "caption", "sketch")
    assert told.paths == {"/assets"}
    assert told.options == {"target"}


def test_camera_that_is_not_told_is_none() -> None:
    """An API without cameras, or an asset without pictures, leaves the view as it is."""
    refusing = client(lambda _: httpx.Response(404, json={"error": {"code": "not_found", "message": "no"}}))

    assert refusing.camera("/assets/a/views/0") is None
    assert refusing.camera(None) is None


def test_a_key_is_sent_for_its_visitor_only() -> None:
    """With every request that is made on their behalf, and with no other."""
    sent: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("Authorization"))
        return httpx.Response(200, json={"algorithms": {}})

    shared = client(answer)
    mary, fred = (shared.on_behalf_of(key, list) for key in (MARY, FRED))
    for each in (shared, mary, fred, mary, shared):
        each.health()

    assert sent == [None, f"Bearer {MARY}", f"Bearer {FRED}", f"Bearer {MARY}", None]


def test_a_refused_key_is_noted(tmp_path: Path) -> None:
    """Whatever was asked for; a key that may not do something is not refused."""
    noted: list[int] = []
    status = 401

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": {"code": "unauthorized", "message": "this is no key"}})

    mary = client(answer).on_behalf_of(MARY, lambda: noted.append(1))
    with pytest.raises(InputError, match="This is no key"):
        mary.search(Search(parts=CHAIR))
    with pytest.raises(InputError, match="This is no key"):
        mary.download("/file", tmp_path / "file", limit=10)
    assert len(noted) == 2
    status = 403
    with pytest.raises(InputError):
        mary.search(Search(parts=CHAIR))
    assert len(noted) == 2


def test_credentials_in_the_address_are_sent_and_never_shown() -> None:
    """They are for a proxy before the API; a visitor's key takes their place."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.ConnectError("refused")

    shared = ApiClient("http://user:pass%40word@api.test:8000/", httpx.MockTransport(answer))
    for each in (shared, shared.on_behalf_of(MARY, list)):
        with pytest.raises(ServiceError) as told:
            each.health()
        assert "pass" not in str(told.value)
        assert "http://api.test:8000 does not answer" in str(told.value)
    assert [request.headers["Authorization"] for request in sent] == ["Basic dXNlcjpwYXNzQHdvcmQ=", f"Bearer {MARY}"]
    assert {str(request.url) for request in sent} == {"http://api.test:8000/health"}


def test_credentials_are_not_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither where the page says what it is the page of, nor where the address is wrong."""
    monkeypatch.chdir(tmp_path)
    started: list[PageOptions] = []
    monkeypatch.setattr("meshseek.interfaces.ui.__main__.launch", started.append)
    for address in ("http://user:secret@api.test", "http://user:secret@api.test:port", "user:secret@api.test"):
        told = CliRunner().invoke(main, ["--api-url", address])
        assert "secret" not in told.output
        assert "Traceback" not in told.output
    assert [options.api_url for options in started] == ["http://user:secret@api.test"]


@pytest.mark.parametrize("address", ["http://evil.example/a", "//evil.example/a", "a", ""])
def test_no_answer_leads_elsewhere(tmp_path: Path, address: str) -> None:
    """A key goes to the one API, whatever addresses stand in what it says."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    with pytest.raises(ServiceError, match="does not understand"):
        client(answer).download(address, tmp_path / "file", limit=10)
    assert sent == []


def test_download_is_bounded(tmp_path: Path) -> None:
    """A file that is larger than allowed is refused."""
    with pytest.raises(InputError, match="larger than"):
        client(lambda _: httpx.Response(200, content=b"x" * 11)).download("/file", tmp_path / "file", limit=10)


def test_sentence_has_a_capital_and_a_stop() -> None:
    """Messages are made sentences, and sentences are left alone."""
    assert sentence("the query is empty") == "The query is empty."
    assert sentence("没有结果。") == "没有结果。"
    assert sentence(" ") == "Something went wrong."
