"""What the page shows for an address, asked as Gradio asks: without a browser, of an API that keeps its questions."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.files import FileCache, Pictures
from meshseek.interfaces.ui.handlers import Changes, Handlers
from meshseek.interfaces.ui.layout import Page, lay_out
from meshseek.interfaces.ui.shown import Shown
from meshseek.interfaces.ui.visitors import Rooms, Visitor
from meshseek.interfaces.ui.wording import Wording

LITTLE = b"glTF" + (2).to_bytes(4, "little") + (22).to_bytes(4, "little") + (2).to_bytes(4, "little") + b"JSON{}"

FACETS = {"category": [{"value": "Chairs", "count": 100}]}


class Api:
    """Answers as the real one does, of a library with a hundred chairs; keeps what it was asked."""

    def __init__(self, **algorithms: str) -> None:
        self.algorithms = algorithms or {"lite": "ready"}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.failing: dict[str, int] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        """To any request."""
        path = request.url.path
        sent = json.loads(request.content) if request.content else dict(request.url.params)
        self.asked.append((path, sent))
        if path in self.failing:
            refusal = {"code": "refused", "message": f"the status is {self.failing[path]}"}
            return httpx.Response(self.failing[path], json={"error": refusal})
        if path.endswith("/model"):
            return httpx.Response(200, content=LITTLE)
        return httpx.Response(200, json=self._told(path, sent))

    def _told(self, path: str, sent: dict[str, Any]) -> Any:
        if path == "/health":
            return {"algorithms": self.algorithms}
        if path == "/openapi.json":
            fields = {"target": {"anyOf": [{"enum": ["both"]}]}, "facets": {}, "collapsed": {}}
            schemas = {"TextSearch": {"properties": fields}}
            return {"paths": {"/search": {}, "/assets": {}}, "components": {"schemas": schemas}}
        if path == "/assets":
            return {"assets": [{"asset_id": "a/0"}], "total": 1, "facets": FACETS}
        if path == "/attribution":
            return {"text": "by Anna"}
        if path.startswith("/assets/"):
            views = {"viewpoint_ids": [0, 1], "view_urls": [f"{path}/views/0", f"{path}/views/1"]}
            return {"asset_id": path.removeprefix("/assets/"), "model_url": f"{path}/model", **views}
        first = sent.get("offset", 0)
        results = [{"asset_id": f"a/{rank}", "score": 1.0} for rank in range(first, min(first + sent["top_k"], 100))]
        counted = {"facets": FACETS} if "facets" in sent else {}
        return {"results": results, "algorithm": sent.get("algorithm", "lite"), "target": "both", **counted}

    def to(self, path: str) -> list[dict[str, Any]]:
        """What was asked there."""
        return [sent for asked, sent in self.asked if asked == path]


async def laid_out() -> Page:
    """The parts of the page; without a loop that runs, Gradio would leave one of its own open."""
    with gr.Blocks():
        return lay_out()


class Visit:
    """One open page."""

    def __init__(self, api: Api, folder: Path) -> None:
        self.api = api
        self.rooms = Rooms(folder)
        self.page = asyncio.run(laid_out())
        client = ApiClient("http://api.test", httpx.MockTransport(api.answer))
        pictures = Pictures(client, FileCache(self.rooms.shown), "mary")
        self.handlers = Handlers(self.page, client, pictures, Wording("en"))
        self.shown = Shown()
        self.box = ""

    def show(self, address: str, **basket: Any) -> Changes:
        """Go to an address; the value is what changes."""
        asking, words = self.page.asking, self.page.questions.words
        given = json.dumps({"ids": [], "use": "", **basket})
        values = {asking.shown: self.shown, asking.address: address, asking.basket: given, words: self.box}
        self.api.asked.clear()
        changes = self.handlers.show(values, Visitor(room="mary"), self.rooms)
        self.shown = changes.get(asking.shown, self.shown)
        self.box = changes.get(words, self.box)
        return changes


@pytest.fixture
def api() -> Api:
    """With one algorithm."""
    return Api()


@pytest.fixture
def visit(api: Api, tmp_path: Path) -> Visit:
    """Of a page of it."""
    return Visit(api, tmp_path)


def test_what_is_published_is_asked_where_the_usual_algorithm_is_not(tmp_path: Path) -> None:
    """The menu shows it, and every question names it; links leave the choice open, so that they last."""
    api = Api(lite="not published", qwen="ready", siglip="ready")
    visit = Visit(api, tmp_path)
    changes = visit.show("?q=chair&asset=a/0")

    assert changes[visit.page.options.algorithm].value == "qwen"
    assert {sent["algorithm"] for sent in api.to("/search/text")} == {"qwen"}
    assert api.to("/assets/a/0")[0] == {"algorithm": "qwen"}
    assert "algorithm=" not in changes[visit.page.answers.results]
    assert "--algorithm qwen" in changes[visit.page.answers.details]
    visit.show("")
    assert api.to("/assets")[0]["algorithm"] == "qwen"
    visit.show("?place=basket", ids=["a/0"])
    assert api.to("/assets/a/0")[0] == {"algorithm": "qwen"}
    visit.show("?q=chair&against=siglip")
    assert [sent["algorithm"] for sent in api.to("/search/text")] == ["qwen", "siglip"]


def test_the_usual_algorithm_is_left_to_the_api(api: Api, visit: Visit) -> None:
    """Where it answers: the API may choose otherwise one day."""
    visit.show("?q=chair&asset=a/0")

    assert "algorithm" not in api.to("/search/text")[0]
    assert api.to("/assets/a/0")[0] == {}


def test_a_box_is_brought_to_what_is_searched_once(api: Api, visit: Visit) -> None:
    """Whatever stands in it later somebody types, also after a failure; what is searched next is brought there."""
    words = visit.page.questions.words
    visit.box = "table"
    assert words not in visit.show("")
    assert visit.show("?q=chair")[words] == "chair"
    visit.box = "chairs and"
    assert words not in visit.show("?q=chair&plain=1")
    api.failing["/search/text"] = 503
    assert words not in visit.show("?q=chair")
    api.failing.clear()
    assert words not in visit.show("?q=chair")
    visit.box = " lamp "
    assert words not in visit.show("?q=lamp")
    assert visit.show("")[words] == ""


def test_what_is_shown_already_is_not_asked_again(api: Api, visit: Visit) -> None:
    """Neither by the clock nor by more of the same: but for menus, to which an algorithm may come."""
    api.algorithms = {"lite": "ready", "siglip": "loading"}
    visit.show("?q=chair&asset=a/0")
    asking = {visit.page.asking.shown, visit.page.asking.retry}
    assert set(visit.show("?q=chair&asset=a/0")) == asking
    assert [path for path, _ in api.asked] == ["/health"]
    api.algorithms["siglip"] = "ready"
    changes = visit.show("?q=chair&asset=a/0")
    assert changes[visit.page.options.algorithm].choices == [("lite", "lite"), ("siglip", "siglip")]
    assert visit.page.answers.results not in changes

    changes = visit.show("?q=chair&asset=a/0&pages=2")
    assert [path for path, _ in api.asked] == ["/search/text"]
    assert "pages=2" in changes[visit.page.answers.details]
    assert visit.page.answers.model not in changes
    visit.show("?q=chair&asset=a/1&pages=2")
    assert api.to("/search/text") == [sent for sent in api.to("/search/text") if sent.get("explain")]


def test_what_did_not_arrive_is_shown_once_more(visit: Visit) -> None:
    """Where the browser says so."""
    visit.show("?q=chair&asset=a/0")
    changes = visit.show("?q=chair&asset=a/0", anew=True)

    assert {visit.page.answers.results, visit.page.answers.details, visit.page.answers.model} <= set(changes)


def test_an_asset_that_could_not_be_had_is_asked_again(api: Api, visit: Visit) -> None:
    """As is a model that the viewer lacks."""
    api.failing["/assets/a/0"] = 503
    assert "The status is 503." in visit.show("?asset=a/0")[visit.page.answers.details]
    api.failing = {"/assets/a/0/model": 503}
    assert "The status is 503." in visit.show("?asset=a/0")[visit.page.answers.details]
    api.failing.clear()
    assert visit.show("?asset=a/0")[visit.page.answers.model].value is not None


def test_both_sides_are_searched_once(tmp_path: Path) -> None:
    """And drawn again where a tile is chosen."""
    api = Api(lite="ready", siglip="ready")
    visit = Visit(api, tmp_path)
    visit.show("?q=chair&against=siglip")
    assert len(api.to("/search/text")) == 2
    changes = visit.show("?q=chair&against=siglip&asset=a/0")
    assert [sent for sent in api.to("/search/text") if not sent.get("explain")] == []
    assert changes[visit.page.answers.results].count("aria-current") == 2


def test_only_what_is_not_there_is_missing_from_the_basket(api: Api, visit: Visit) -> None:
    """Where the API has no time for all, the basket is not shown with a few of them: a zip would lack the rest."""
    api.failing = {"/assets/a/1": 404}
    shown = str(visit.show("?place=basket", ids=["a/0", "a/1", "a/2"])[visit.page.answers.results])
    assert [f'value="a/{number}"' in shown for number in range(3)] == [True, False, True]
    assert "1 asset is no longer" in shown
    assert set(visit.show("?place=basket", ids=["a/0", "a/1", "a/2"])) == {
        visit.page.asking.shown,
        visit.page.asking.retry,
    }
    api.failing = {"/assets/a/1": 429}
    changes = visit.show("?place=basket", ids=["a/1", "a/2"])
    assert changes[visit.page.answers.results] == ""
    assert "The status is 429." in changes[visit.page.answers.summary]
    assert changes[visit.page.asking.retry].active


def test_copies_are_stacked_unless_somebody_wants_them_all(api: Api, visit: Visit) -> None:
    """Which the API is asked for, by the address."""
    visit.show("?q=chair")
    assert api.to("/search/text")[0]["collapsed"] is True
    visit.show("?q=chair&copies=1")
    assert "collapsed" not in api.to("/search/text")[0]


def test_all_pages_of_a_query_are_cut_from_one_ranking(api: Api, visit: Visit) -> None:
    """Facets make it another one, so they are asked with each page, and with the reasons of one result."""
    visit.show("?q=chair")
    visit.show("?q=chair&pages=2")
    sent = [*api.to("/search/text")]
    visit.show("?q=chair&pages=2&asset=a/1")
    sent += api.to("/search/text")

    assert [each["offset"] for each in sent] == [24, 1]
    assert sent[0]["facets"] == sent[1]["facets"] != []
