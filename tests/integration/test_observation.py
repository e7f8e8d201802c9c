"""What the API shows of itself: request ids, general words in place of addresses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.conftest import free_port
from tests.integration.test_http_states import SEARCH, client_of
from tests.toy import toy_algorithm

from meshseek.search.algorithm import Algorithm
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace


class Named:
    """A layer that says who asks, in place of one that checks keys."""

    def __init__(self, app: ASGIApp, scopes: tuple[str, ...]) -> None:
        self.app = app
        self.caller = SimpleNamespace(name="tester", scopes=scopes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        scope.setdefault("state", {})["caller"] = self.caller
        await self.app(scope, receive, send)


def away(workspace: Workspace, *scopes: str) -> tuple[TestClient, int]:
    """The API over a database that is not there, for a caller with some scopes; and that database's port."""
    port = free_port()
    address = f"postgresql://somebody:hunter2@127.0.0.1:{port}/postgres"
    client = client_of(workspace, toy_algorithm(Server(lambda: address)), database_url=address)
    client.app.user_middleware.append(Middleware(Named, scopes=scopes))  # type: ignore[attr-defined]  # innermost
    return client, port


def test_general_words_for_all_but_admins(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """Where the database is stays in the log, and is told to whoever has the scope admin."""
    client, port = away(workspace, "read", "write")
    with client:
        told = client.post("/search/text", json=SEARCH).text + client.get("/health").text
    assert "the database cannot be reached; try again" in told
    assert str(port) not in told
    assert "MESHSEEK_DATABASE_URL" not in told
    assert f"port {port} failed" in caplog.text
    assert "hunter2" not in told + caplog.text

    client, port = away(workspace, "read", "admin")
    with client:
        for answer in (client.post("/search/text", json=SEARCH), client.get("/health")):
            assert answer.status_code == 503
            assert f"port {port} failed" in answer.text
            assert "hunter2" not in answer.text


def test_every_error_names_its_request(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id that came with a request, or a new one, is in the header of every answer and in every error."""
    client, _ = away(workspace)
    with client:
        monkeypatch.setattr(Algorithm, "similar", lambda *_: 1 // 0)
        for path, status in (
            ("/health", 503),
            ("/assets/x", 503),
            ("/assets/x/similar?algorithm=toy", 500),
            ("/assets/x/views/y", 422),
            ("/nothing", 404),
        ):
            answer = client.get(path, headers={"X-Request-ID": "ab.c:1-2"})
            assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, "ab.c:1-2")
            if path != "/health":
                assert answer.json()["error"]["request_id"] == "ab.c:1-2"
        big = client.post("/search/text", content=b" " * 200_000)
        assert (big.status_code, big.json()["error"]["request_id"]) == (413, big.headers["X-Request-ID"])


@pytest.mark.parametrize("given", ["a b", "a\tb", "x" * 65, "", "\x1b[31m", "é", 'a"b'])
def test_an_id_that_is_no_plain_word_is_not_taken(workspace: Workspace, given: str) -> None:
    """What a stranger sends cannot look like another line or field of the log."""
    client, _ = away(workspace)
    answer = client.get("/nothing", headers={b"X-Request-ID": given.encode()})

    assert answer.headers["X-Request-ID"] != given
    assert len(answer.headers["X-Request-ID"]) == 16
