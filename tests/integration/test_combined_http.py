"""Combined searches over HTTP and from the command line: what they answer, and what they refuse."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image
from starlette.testclient import TestClient
from tests.conftest import drop_databases
from tests.integration.test_http_states import client_of, warmed_up
from tests.toy import embed_toys, import_toys, publish_toys, toy_algorithm

from meshseek.access.keys import make_key
from meshseek.access.keys_file import KeysFile
from meshseek.interfaces.http.combined import COMBINED_BYTES
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def toys_published(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Server]]:
    """Forty toys, and where they are published."""
    workspace, prefix = Workspace(tmp_path_factory.mktemp("toys")), f"combined_{uuid4().hex[:12]}_"
    server = Server(lambda: conninfo, prefix)
    import_toys(workspace)
    embed_toys(workspace)
    publish_toys(workspace, server)
    yield workspace, server
    drop_databases(conninfo, prefix)


@pytest.fixture(scope="module")
def api(toys_published: tuple[Workspace, Server]) -> Iterator[TestClient]:
    """The API over them."""
    workspace, server = toys_published
    with client_of(workspace, toy_algorithm(server)) as client:
        warmed_up(client)
        yield client


def encoded(colour: str = "red") -> str:
    """A picture in base64."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def search(api: TestClient, *parts: dict[str, Any], **options: Any) -> Any:
    """The answer to a combined search."""
    answer = api.post("/search", json={"parts": parts, "algorithm": "toy", **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def plain(answer: Any) -> Any:
    """What an answer has in common with the same at another time."""
    return {name: value for name, value in answer.items() if name not in {"took_ms", "parts", "algorithms"}}


def test_words_a_picture_and_an_asset_together(api: TestClient) -> None:
    """The answer of any other search, with what was asked; what is not wanted is not what comes first."""
    parts: list[dict[str, Any]] = [
        {"text": "椅子", "weight": 2},
        {"image": f"data:image/png;base64,{encoded()}"},
        {"asset_id": "toys/001", "weight": 0.5},
        {"text": "red", "weight": -3},
    ]
    answer = search(api, *parts, top_k=3)

    assert len(answer["results"]) == 3
    assert answer["results"][0]["thumbnail_url"].startswith("/assets/toys/")
    assert not any("red" in result["caption_en"] for result in answer["results"])
    nothing = {"text": None, "image": False, "asset_id": None, "language": None, "translated": None}
    assert answer["parts"] == [
        {**nothing, "text": "椅子", "weight": 2, "language": "chinese"},
        {**nothing, "image": True, "weight": 1},
        {**nothing, "asset_id": "toys/001", "weight": 0.5},
        {**nothing, "text": "red", "weight": -3, "language": "english"},
    ]
    assert answer["algorithms"] == {"toy": answer["version"]}


def test_one_part_is_what_the_other_routes_answer(api: TestClient) -> None:
    """Words and a picture, with the options of all searches."""
    options = {"algorithm": "toy", "top_k": 4, "filters": {"category": "chair"}, "explain": True, "offset": 1}
    text = api.post("/search/text", json={"query": "red chair", **options}).json()
    assert plain(search(api, {"text": "red chair", "weight": 3}, **options)) == plain(text)

    file = {"file": ("x.png", base64.b64decode(encoded()), "image/png")}
    image = api.post("/search/image", files=file, data={"algorithm": "toy", "top_k": "4"}).json()
    assert plain(search(api, {"image": encoded()}, top_k=4)) == plain(image)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"parts": []}, 422, "give either a text or an image, or the id of an asset, or several of them as parts"),
        ({"parts": [{}]}, 422, "a part of the query must be one of: a text, a picture, the id of an asset"),
        ({"parts": [{"text": "a"}] * 9}, 422, "the query has 9 parts; use at most 8"),
        ({"parts": [{"image": "x"}] * 5}, 422, "the query has 5 pictures; use at most 4"),
        ({"parts": [{"image": "?"}]}, 422, "the picture of part 1 is not base64; send the bytes of its file in base64"),
        ({"parts": [{"image": "YWJj"}]}, 422, "cannot read the upload: damaged or not a picture"),
        ({"parts": [{"text": "a"}, {"text": "a", "weight": -1}]}, 422, "'a' is both wanted and not wanted"),
        ({"parts": [{"text": "a", "weight": -1}]}, 422, "nothing is wanted, for all weights are below 0"),
        ({"parts": [{"text": "a", "weight": 0}]}, 422, "every part has the weight 0, so nothing is asked"),
        ({"parts": [{"text": "a", "weight": 1e9}]}, 422, "the weight of 'a' is 1e+09; choose -100 to 100"),
        ({"parts": [{"text": "a"}, {"asset_id": "gone"}]}, 404, "there is no asset 'gone' here that can be compared"),
        ({"parts": [{"text": "a"}], "algorithm": ["toy", "toy"]}, 422, "an algorithm is named twice"),
        ({"parts": [{"text": "a"}], "algorithm": []}, 422, "0 algorithms are named; choose 1 to 4"),
        ({"parts": [{"text": "a"}], "algorithm": ["toy", "none"]}, 404, "there is no algorithm 'none'; choose one of"),
        ({"parts": [{"text": "a"}], "top_k": 0}, 422, "top_k is 0; choose 1 to 200"),
        ({"parts": [{"text": "a", "mass": 1}]}, 422, "Extra inputs are not permitted"),
        ({}, 422, "parts: Field required"),
    ],
)
def test_what_is_refused_says_why(api: TestClient, body: dict[str, Any], status: int, words: str) -> None:
    """One sentence with what to do, in the form of every error."""
    answer = api.post("/search", json={"algorithm": "toy", **body})

    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]["message"]


def test_a_request_that_is_too_large(api: TestClient) -> None:
    """It is refused before it is read."""
    answer = api.post("/search", content=b'{"parts": [{"image": "' + b"A" * COMBINED_BYTES + b'"}]}')

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_what_costs_needs_the_scope_write(toys_published: tuple[Workspace, Server]) -> None:
    """As for the other searches."""
    workspace, server = toys_published
    text, key = make_key("reader", "read")
    KeysFile(workspace.folder).add(key)
    body = {"parts": [{"text": "chair"}, {"text": "red", "weight": -1}], "algorithm": "toy"}
    with client_of(workspace, toy_algorithm(server)) as api:
        api.headers["Authorization"] = f"Bearer {text}"
        assert api.post("/search", json=body).status_code == 200
        assert api.post("/search", json={**body, "exact": True}).status_code == 403
