"""What the page shows for an address, asked as Gradio asks: without a browser, of an API that tells what it was asked."""

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
            fields = {"target": {"anyOf": [{"enum": ["both"]}]}, "facets": {}}
            schemas = {"TextSearch": {"properties": fields}}
            return {"paths": {"/search": {}, "/assets": {}}, "components": {"schemas": schemas}}
        if path == "/assets":
            return {"assets": [{"asset_id": "a/0"}], "total": 1, "facets": FACETS}
        if path == "/attribution":
            return {"text": "by Anna"}
        if path.startswith("/assets/"):
            return {"asset_id": path.removeprefix("/assets/"), "model_url": f"{path}/model"}
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
