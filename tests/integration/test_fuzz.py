"""Requests made from the OpenAPI document: no fault of the server, and nothing that is not documented."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Response
from tests.conftest import ServedLibrary
from tests.fuzz import UNLIMITED, fuzz

from meshseek.interfaces.http import create_app
from meshseek.search.query import Query


@pytest.fixture
def app(library: ServedLibrary) -> Iterator[FastAPI]:
    """The API over the small real library."""
    meshseek = library.opened(**UNLIMITED)
    meshseek.search_service.algorithm("lite").search(Query(text="chair"))  # no request waits until the model is loaded
    yield create_app(meshseek)
    meshseek.close()


def test_five_hundred_requests(app: FastAPI, library: ServedLibrary) -> None:
    """All are answered as the document says, what does not fit it is refused, and none is a fault of ours."""
    outcome = fuzz(app, library.asset_ids[0], 500, seed=1)

    assert outcome.failures == {}
    assert outcome.cases >= 500
    assert outcome.statuses[200] > 50
    assert not any(status >= 500 for status in outcome.statuses if status != 503), outcome.statuses


def test_a_fault_would_be_seen() -> None:
    """A status, a type and a shape that are not documented, a 500, and a bad value that is taken are each told."""
    app = FastAPI()

    @app.get("/status")
    def status() -> Response:
        return Response("{}", 418, media_type="application/json")

    @app.get("/type")
    def kind() -> dict[str, int]:
        return Response("no", media_type="text/plain")  # type: ignore[return-value]

    @app.get("/shape")
    def shape() -> dict[str, int]:
        return Response('{"a": "b"}', media_type="application/json")  # type: ignore[return-value]

    @app.get("/fault")
    def fault() -> Response:
        return Response("{}", 500, media_type="application/json")

    @app.get(
        "/number",
        openapi_extra={"parameters": [{"in": "query", "name": "n", "required": True, "schema": {"type": "integer"}}]},
    )
    def number() -> dict[str, int]:
        return {}

    seen = {failure.partition(":")[0] for failure in fuzz(app, "x", 60, seed=1).failures}

    assert seen == {f"GET /{name}" for name in ("status", "type", "shape", "fault", "number")}
