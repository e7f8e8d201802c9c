"""Searches by words past the framework get the answers that its route gives, whatever is asked and however."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from tests.integration.test_http_states import client_of, warmed_up
from tests.toy import toy_algorithm

from meshseek.interfaces.http.schemas import FIELD_BYTES
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace

SHORT = {"content-type": "application/json"}
LONG = {"content-type": "application/json; charset=utf-8"}
"""As the framework alone takes it."""
PLAIN = {"query": "chair", "algorithm": "toy"}
BODIES: list[Any] = [
    PLAIN,
    {**PLAIN, "query": "绿色的椅子", "top_k": 3},
    {**PLAIN, "cross_modal": True, "explain": True, "offset": 2},
    {**PLAIN, "query": 'a "red chair" size~60x60x90', "filters": {"faces": {"max": 5}}},
    {**PLAIN, "filters": {"tags": {"not": ["a", "b"]}}, "min_relevance": "strong", "collapsed": True},
    {**PLAIN, "query": ""},
    {**PLAIN, "query": "chair " * 300},
    {**PLAIN, "top_k": 0},
    {**PLAIN, "top_k": "3"},
    {**PLAIN, "top_k": 3.0},
    {**PLAIN, "algorithm": "none"},
    {**PLAIN, "target": "smell"},
    {**PLAIN, "filters": {"colour": "red"}},
    {**PLAIN, "query_type": "french"},
    {**PLAIN, "rerank": "nobody"},
    {**PLAIN, "more": 1},
    {"algorithm": "toy"},
    [],
    None,
    "chair",
]
WRITTEN = [
    b"",
    b"{",
    b"[" * 5_000,
    b'{"query": "chair", "algorithm": "toy", "top_k": NaN}',
    b'{"query": "a", "query": "chair", "algorithm": "toy"}',
    b'{"query": "\xff", "algorithm": "toy"}',
    b'{"query": "\\ud800", "algorithm": "toy"}',
    json.dumps(PLAIN).encode("utf-16"),
    json.dumps({**PLAIN, "query": "chair", "size": "x" * FIELD_BYTES}).encode(),
]


@pytest.fixture
def api(published_toys: Workspace, server: Server) -> Iterator[TestClient]:
    """The API over the published toys."""
    with client_of(published_toys, toy_algorithm(server)) as client:
        warmed_up(client)
        yield client


def in_parts(api: TestClient, content: bytes) -> httpx.Response:
    """The answer to a request whose body comes in two messages; the test client sends but one."""

    async def parts() -> AsyncIterator[bytes]:
        yield content[:9]
        yield content[9:]

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/search/text", content=parts(), headers=SHORT)

    return asyncio.run(asked())


def told(answer: Any) -> tuple[int, dict[str, str], Any]:
    """Status, headers and content of an answer, without what differs each time."""
    body = answer.json()
    body.pop("took_ms", None)
    body.get("error", {}).pop("request_id", None)
    head = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "content-length"}}
    return answer.status_code, head, body


def test_the_answer_is_that_of_the_route(api: TestClient) -> None:
    """Status, headers and body, of what is found and of what is refused, also where a request comes in parts."""
    statuses = set()
    for content in [*(json.dumps(body).encode() for body in BODIES), *WRITTEN]:
        answer, expected = (told(api.post("/search/text", content=content, headers=kind)) for kind in (SHORT, LONG))
        assert answer == expected, content[:200]
        assert told(in_parts(api, content)) == expected, content[:200]
        statuses.add(answer[0])
    assert statuses >= {200, 404, 413, 422}


def test_other_requests_to_the_address_are_the_frameworks(api: TestClient) -> None:
    """Another method, and another type."""
    assert api.get("/search/text").status_code == 405
    assert api.post("/search/text", content=b"{}", headers={"content-type": "text/plain"}).status_code == 422


def test_it_is_counted_and_logged_by_the_name_of_its_route(api: TestClient) -> None:
    """As every other request."""
    figure = 'meshseek_requests_total{method="POST",route="/search/text",status="200"}'

    def counted() -> float:
        lines = api.app.state.metrics.page("")[0].decode().splitlines()  # type: ignore[attr-defined]
        return sum(float(line.split()[-1]) for line in lines if line.startswith(figure))

    before = counted()
    for headers in (SHORT, LONG):
        api.post("/search/text", json=PLAIN, headers=headers)
    assert counted() == before + 2
