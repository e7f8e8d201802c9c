"""The HTTP API when something behind it is missing: nothing published, no database, models elsewhere, a bug."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from starlette.testclient import TestClient
from tests.conftest import free_port
from tests.toy import NewerToy, embed_toys, import_toys, publish_toys, toy, toy_algorithm
from tests.waiting import eventually

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http import create_app
from meshseek.search.admission import Admission
from meshseek.search.algorithm import Algorithm
from meshseek.search.service import SearchService
from meshseek.settings import read_settings
from meshseek.store import postgres
from meshseek.store.postgres import LOOKUPS, POOL_SECONDS, POOL_SIZE, Server
from meshseek.store.read.library import Library
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

GLB = b"glTF" + bytes(range(256)) * 1000
SEARCH = {"query": "chair", "algorithm": "toy"}


def client_of(workspace: Workspace, algorithm: Algorithm, **settings: str) -> TestClient:
    """The API over one algorithm, in this process."""
    meshseek = Meshseek(read_settings(workspace=workspace.folder, **settings))
    meshseek.__dict__["search_service"] = SearchService([algorithm])
    return TestClient(create_app(meshseek), base_url="http://localhost", raise_server_exceptions=False)


def warmed_up(api: TestClient) -> None:
    """Wait until the service is ready, and asks nothing more of the database by itself."""
    algorithm = api.app.state.meshseek.search_service.algorithm("toy")  # type: ignore[attr-defined]
    eventually(lambda: api.get("/health").status_code == HTTPStatus.OK)
    eventually(lambda: not algorithm._readiness._warming.locked())


@pytest.fixture
def api(published_toys: Workspace, server: Server) -> Iterator[TestClient]:
    """The API over the published toys, whose models are not there."""
    with client_of(published_toys, toy_algorithm(server)) as client:
        warmed_up(client)
        yield client


def test_too_many_searches_are_told_to_come_back(api: TestClient) -> None:
    """While all places are taken a search is refused at once, with the time after which to try again."""
    algorithm = api.app.state.meshseek.search_service.algorithm("toy")  # type: ignore[attr-defined]
    algorithm._admission = Admission(running=1, waiting=0)
    with algorithm._admission.admitted():
        answer = api.post("/search/text", json=SEARCH)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["error"]["code"] == "busy"
    assert api.post("/search/text", json=SEARCH).status_code == HTTPStatus.OK


@contextlib.contextmanager
def held(api: TestClient, server: Server, table: str, path: str, count: int, **search: str) -> Iterator[None]:
    """So many requests that hang in the database, because somebody holds a table; all are answered at the end."""
    warmed_up(api)

    def ask() -> int:
        answer = api.post(path, json=search) if search else api.get(path)
        return answer.status_code

    with ThreadPoolExecutor(count) as threads:
        with server.connect("toy") as other, other.transaction():
            other.execute(f"LOCK TABLE live.{table} IN ACCESS EXCLUSIVE MODE".encode())
            asked = [threads.submit(ask) for _ in range(count)]
            waiting = b"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
            eventually(lambda: other.execute(waiting, [f"live.{table}"]).fetchall() == [(count,)])
            yield
        assert [answer.result() for answer in asked] == [HTTPStatus.OK] * count


def test_slow_searches_hold_up_nothing_else(api: TestClient, server: Server) -> None:
    """While as many searches as may run are slow, health, assets, pictures and facets answer at once."""
    with held(api, server, "text_embeddings", "/search/text", POOL_SIZE, **SEARCH):
        started = time.monotonic()
        for path in ("/health", "/assets/toys/000", "/assets/toys/000/views/1", "/facets/category?algorithm=toy"):
            assert api.get(path).status_code == HTTPStatus.OK, path
        assert time.monotonic() - started < POOL_SECONDS


def test_a_search_that_takes_too_long_is_given_up(published_toys: Workspace, server: Server) -> None:
    """Its caller is told so in time, its thread ends when the database lets it go, and its place is free again."""
    algorithm = toy_algorithm(server)
    with client_of(published_toys, algorithm, request_seconds="2") as client:
        warmed_up(client)
        with server.connect("toy") as other, other.transaction():
            other.execute("LOCK TABLE live.text_embeddings IN ACCESS EXCLUSIVE MODE")
            answer = client.post("/search/text", json=SEARCH)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["error"]["code"] == "too_slow"
        eventually(lambda: algorithm._admission._running._value == POOL_SIZE)
        assert client.post("/search/text", json=SEARCH).status_code == HTTPStatus.OK


def test_a_warm_up_that_finds_no_connection_is_made_again(
    api: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That all connections are busy is no failure that a service remembers: it stays well, and warms up later."""
    monkeypatch.setattr(postgres, "POOL_SECONDS", 0.5)
    algorithm = toy_algorithm(server)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(client_of(api.app.state.meshseek.workspace, algorithm))  # type: ignore[attr-defined]
        stack.enter_context(held(client, server, "text_embeddings", "/search/text", POOL_SIZE, **SEARCH))
        algorithm.warm_up()
        eventually(lambda: not algorithm._readiness._warming.locked())
        assert algorithm.health() == "ready"


def test_a_busy_service_says_that_it_is_busy(api: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """When all connections stay taken, what waited is told to come back; health says what it knew, and stays well."""
    monkeypatch.setattr(postgres, "POOL_SECONDS", 0.5)
    algorithm = toy_algorithm(server)
    with (
        client_of(api.app.state.meshseek.workspace, algorithm) as client,  # type: ignore[attr-defined]
        held(client, server, "assets", "/assets/toys/000", LOOKUPS),
    ):
        for path in ("/assets/toys/001", "/facets/category?algorithm=toy"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "1"), answer.text
            assert answer.json()["error"]["code"] == "busy"
            assert "cannot be reached" not in answer.text
        assert client.get("/health").json() == {"status": "ready", "algorithms": {"toy": "ready"}}


def test_connections_that_were_closed_stay_closed(published_toys: Workspace, server: Server) -> None:
    """What still warms up while a service stops opens no new connections, which nobody would close."""
    algorithm = toy_algorithm(server)
    assert algorithm.health() in {"ready", "loading"}
    algorithm.library.close()
    assert "its connections are closed" in algorithm.health()
    algorithm.warm_up()
    eventually(lambda: not algorithm._readiness._warming.locked())
    assert algorithm.library.pools() == {}


def test_unavailable_until_something_is_published(toys: Workspace, server: Server) -> None:
    """Health is 503 with the reason, a search a 409; after a publication both work without a restart."""
    with client_of(toys, toy_algorithm(server)) as client:
        health = client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "unavailable")
        assert "run 'meshseek publish" in health.json()["algorithms"]["toy"]
        answer = client.post("/search/text", json=SEARCH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_published")

        publish_toys(toys, server)
        eventually(lambda: client.get("/health").status_code == 200)
        assert client.get("/health").json() == {"status": "ready", "algorithms": {"toy": "ready"}}
        assert len(client.post("/search/text", json=SEARCH).json()["results"]) == 10


def test_a_database_that_cannot_be_reached(toys: Workspace) -> None:
    """Every route that needs it is a 503 in our form."""
    away = f"host=127.0.0.1 port={free_port()} user=nobody"
    with client_of(toys, toy_algorithm(Server(lambda: away))) as client:
        assert client.get("/health").status_code == 503
        for answer in (
            client.post("/search/text", json=SEARCH),
            client.get("/assets/x"),
            client.get("/assets/x/model"),
            client.get("/assets/x/similar?algorithm=toy"),
            client.get("/assets/x/views/0"),
            client.get("/facets/category?algorithm=toy"),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_down")
            assert "\n" not in answer.json()["error"]["message"]


def test_an_embedder_of_another_space(published_toys: Workspace, server: Server) -> None:
    """A search is a 503 that names both spaces, and health says the same."""
    algorithm = Algorithm("toy", Library(server, "toy"), lambda space: NewerToy(toy(space.model).options))
    with client_of(published_toys, algorithm) as client:
        answer = client.post("/search/text", json=SEARCH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "space_mismatch")
        assert "toy-64@1" in answer.json()["error"]["message"]
        assert "toy-64@2" in answer.json()["error"]["message"]
        eventually(lambda: "toy-64@2" in client.get("/health").json()["algorithms"]["toy"])
        assert client.get("/health").status_code == 503


def test_views_that_came_with_the_dataset(api: TestClient, published_toys: Workspace) -> None:
    """Pictures outside the workspace's own folder are served from where the dataset has them."""
    asset = next(published_toys.assets())
    assert asset.views is not None
    assert api.get("/assets/toys/000/views/2").content == (asset.views.folder / "00002/00002.png").read_bytes()
    assert api.get("/assets/toys/000/views/2/camera").json()["error"]["code"] == "not_found"  # it came without
    (asset.views.folder / "00002/00002.png").unlink()
    answer = api.get("/assets/toys/000/views/2")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert str(published_toys.folder) not in answer.text


def test_a_model_that_is_nowhere(api: TestClient) -> None:
    """Without the file and without BASE_URL the setting is named."""
    answer = api.get("/assets/toys/000/model")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert "MESHSEEK_BASE_URL" in answer.json()["error"]["message"]


class Models(BaseHTTPRequestHandler):
    """Serves one model below ``/glbs``, fails for a second, and notes what it is asked for."""

    asked: list[str]

    def do_GET(self) -> None:  # the name that http.server calls
        """Answer by path."""
        self.asked.append(self.path)
        status = {"/glbs/toys/000.glb": 200, "/glbs/toys/001.glb": 500}.get(self.path, 404)
        self.send_response(status)
        self.send_header("Content-Length", str(len(GLB)))
        self.end_headers()
        self.wfile.write(GLB)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that http.server has
        """Say nothing."""


@pytest.fixture
def models() -> Iterator[ThreadingHTTPServer]:
    """A web server of models."""
    Models.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Models) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.05])
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("slash", ["", "/"])
def test_models_from_the_base_url(
    published_toys: Workspace, server: Server, models: ThreadingHTTPServer, slash: str
) -> None:
    """What is not in the workspace is passed on from BASE_URL; what is not there either is a 404."""
    base = f"http://127.0.0.1:{models.server_port}/glbs{slash}"
    with client_of(published_toys, toy_algorithm(server), base_url=base) as client:
        found = client.get("/assets/toys/000/model")
        assert (found.status_code, found.headers["content-type"], found.content) == (200, "model/gltf-binary", GLB)
        for number in ("001", "002"):
            answer = client.get(f"/assets/toys/{number}/model")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        own = published_toys.models / "toys" / "003.glb"
        own.parent.mkdir(parents=True)
        own.write_bytes(b"own")
        assert client.get("/assets/toys/003/model").content == b"own"
        assert Models.asked == [f"/glbs/toys/00{number}.glb" for number in (0, 1, 2)]


def test_a_base_url_that_does_not_answer(published_toys: Workspace, server: Server) -> None:
    """A server of models that is down is our failure, a 503 with the setting's name."""
    with client_of(published_toys, toy_algorithm(server), base_url=f"http://127.0.0.1:{free_port()}") as client:
        answer = client.get("/assets/toys/000/model")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service")
        assert "MESHSEEK_BASE_URL" in answer.json()["error"]["message"]


@pytest.mark.parametrize("key", ["../secret.glb", "/etc/hostname", "toys/../../secret.glb", "linked.glb"])
def test_a_model_outside_the_workspace_is_not_served(
    workspace: Workspace, server: Server, models: ThreadingHTTPServer, key: str
) -> None:
    """A key that leads out, by dots, by a root or by a link, is neither read nor asked for outside BASE_URL."""
    (asset,) = import_toys(workspace, 1)
    workspace.assets_table().append([asset_row(replace(asset, model=key))])
    embed_toys(workspace)
    publish_toys(workspace, server)
    workspace.models.mkdir()
    (workspace.folder / "secret.glb").write_text("secret")
    (workspace.models / "linked.glb").symlink_to(workspace.folder / "secret.glb")
    base = f"http://127.0.0.1:{models.server_port}/glbs"
    with client_of(workspace, toy_algorithm(server), base_url=base) as client:
        assert client.get("/assets/toys/000/model").status_code == 404
    assert all(path.startswith("/glbs/") and ".." not in path for path in Models.asked)


def test_a_bug_is_not_shown(api: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen error is a 500 in our form; what went wrong is in the log only."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(Algorithm, "search", fail)
    with caplog.at_level(logging.ERROR):
        answer = api.post("/search/text", json=SEARCH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "inside" not in answer.text
    assert "ZeroDivisionError: inside" in caplog.text
