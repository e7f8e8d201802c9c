"""What the API shows of itself: request ids, general words in place of addresses, its log, figures and traces."""

from __future__ import annotations

import json
import logging
import platform
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.conftest import free_port
from tests.integration.test_http_states import SEARCH, client_of
from tests.toy import toy_algorithm
from tests.waiting import eventually

from meshseek import __version__
from meshseek.access.keys import ANYBODY
from meshseek.access.keys import Scope as KeyScope
from meshseek.errors import RerankerError
from meshseek.interfaces.http import probes
from meshseek.interfaces.http.request_ids import request_id
from meshseek.interfaces.http.tracing import make_tracing
from meshseek.model import PublishedAsset
from meshseek.rerankers import Candidate, Judgement, Reranker, Wanted
from meshseek.search.admission import Admission
from meshseek.search.algorithm import Algorithm
from meshseek.search.reranking import Found, Reranking
from meshseek.store.postgres import Server
from meshseek.store.read.published import Tuning
from meshseek.workspace.workspace import Workspace

ROOT = Path(__file__).parents[2]


class Named:
    """A layer that says who asks, in place of one that checks keys."""

    def __init__(self, app: ASGIApp, scopes: tuple[KeyScope, ...]) -> None:
        self.app = app
        self.caller = replace(ANYBODY, name="tester", scopes=scopes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        scope.setdefault("state", {})["caller"] = self.caller
        await self.app(scope, receive, send)


def away(workspace: Workspace, *scopes: KeyScope) -> tuple[TestClient, int]:
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


@pytest.fixture
def api(published_toys: Workspace, server: Server) -> Iterator[TestClient]:
    """The API over the published toys, ready to answer."""
    algorithm = toy_algorithm(server)
    with client_of(published_toys, algorithm) as client:
        eventually(lambda: client.get("/ready").status_code == HTTPStatus.OK)
        eventually(lambda: not algorithm._readiness._warming.locked())
        yield client


def test_a_request_is_one_line(api: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """It says what was asked by the name of the route, what it took and who asked; never what was asked for."""
    caplog.set_level(logging.INFO, "meshseek.requests")
    api.post("/search/text", json=SEARCH | {"query": "a secret lamp"})
    api.get("/assets/toys/000?algorithm=toy")
    api.get("/secret?x=secret")
    api.request("SECRET", "/live")
    api.get("/live")
    api.get("/assets/secret", headers={"Authorization": "Bearer secret"})
    searched, seen, unknown, odd, refused = (record.fields for record in caplog.records)  # type: ignore[attr-defined]

    assert (searched["method"], searched["route"], searched["status"]) == ("POST", "/search/text", 200)
    assert searched["algorithm"] == "toy"
    assert searched["bytes"] > 1000
    assert {"wait_ms", "embed_ms", "database_ms"} <= searched.keys()
    assert sum(searched[f"{stage}_ms"] for stage in ("wait", "embed", "database")) <= searched["ms"]
    assert (seen["route"], unknown["route"], unknown["status"]) == ("/assets/{asset_id:path}", "(none)", 404)
    assert (odd["method"], refused["status"]) == ("OTHER", 401)
    assert "ecret" not in str([vars(record) for record in caplog.records])


def test_a_reranking_that_comes_too_late_names_its_request(caplog: pytest.LogCaptureFixture) -> None:
    """What a thread of its own logs belongs to the request that began it."""

    class Failing(Reranker):
        takes_pictures = True

        def __init__(self) -> None:
            pass

        def judge(self, wanted: Wanted, candidates: Sequence[Candidate]) -> Judgement:
            raise RerankerError(f"on behalf of {request_id.get()}")

    asset = PublishedAsset(asset_id="x")
    token = request_id.set("abc")
    reranking = Reranking(lambda _: Failing(), Path(), 10)
    reranking.judge("failing", Wanted(text="x"), [Found(asset=asset), Found(asset=asset)], 0)
    request_id.reset(token)

    assert "on behalf of abc" in caplog.text


def figures_of(page: str) -> dict[str, float]:
    """Every sample of a page of figures, by its name and labels."""
    lines = (line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_figures(api: TestClient, server: Server, published_toys: Workspace) -> None:
    """Each request, search, refusal, connection, remembered vector, publication and measured recall is counted."""
    algorithm = api.app.state.meshseek.search_service.algorithm("toy")  # type: ignore[attr-defined]
    published = algorithm.library.published()
    tuning = Tuning(
        target="appearance",
        kind="text",
        goal=0.99,
        lost_goal=0.0,
        ef=40,
        candidates=40,
        recall=0.995,
        recall_at_least=0.9,
        share_lost=0.001,
        lost_at_most=0.01,
        worst=0.4,
        p50_ms=1.0,
        queries=10,
        tuned_at=published.published_at,
    )
    algorithm.library.keep_tunings(published, [tuning])
    before = figures_of(api.get("/metrics").text)
    for _ in range(2):
        assert api.post("/search/text", json=SEARCH | {"query": "a lamp never asked for"}).status_code == HTTPStatus.OK
    api.get("/assets/toys/000/views/1")
    for number in range(50):
        api.get(f"/made/up/{number}")
        api.request(f"M{number}", "/live")
    algorithm._admission = Admission(running=1, waiting=0)
    with algorithm._admission.admitted():
        assert api.post("/search/text", json=SEARCH).status_code == HTTPStatus.SERVICE_UNAVAILABLE
        during = figures_of(api.get("/metrics").text)
    answer = api.get("/metrics")
    after = figures_of(answer.text)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert grown('meshseek_requests_total{method="POST",route="/search/text",status="200"}') == 2
    assert grown('meshseek_requests_total{method="POST",route="/search/text",status="503"}') == 1
    assert grown('meshseek_requests_total{method="GET",route="(none)",status="404"}') == 50
    assert grown('meshseek_requests_total{method="OTHER",route="/live",status="405"}') == 50
    assert grown('meshseek_request_seconds_count{route="/assets/{asset_id:path}/views/{viewpoint_id}"}') == 1
    assert grown('meshseek_response_bytes_total{route="/search/text"}') > 2000
    for stage in ("embed", "database"):
        assert grown(f'meshseek_search_stage_seconds_count{{algorithm="toy",stage="{stage}"}}') == 2
    assert grown('meshseek_cache_misses_total{algorithm="toy",cache="vectors"}') == 1
    assert grown('meshseek_cache_hits_total{algorithm="toy",cache="vectors"}') == 1
    assert during['meshseek_queue_running{queue="toy"}'] == 1
    assert during['meshseek_queue_refused_total{queue="toy"}'] == 1
    assert after['meshseek_queue_running{queue="toy"}'] == 0
    assert grown('meshseek_pool_requests_total{algorithm="toy",pool="searches"}') > 0
    assert after['meshseek_pool_connections{algorithm="toy",pool="searches"}'] >= 1
    assert after['meshseek_algorithm_ready{algorithm="toy"}'] == 1
    assert after['meshseek_published_assets{algorithm="toy"}'] == 40
    assert after['meshseek_published_timestamp_seconds{algorithm="toy"}'] == pytest.approx(time.time(), abs=600)
    assert [
        after[f'meshseek_index_{name}{{algorithm="toy",query="text",target="appearance"}}']
        for name in ("recall", "lost_share")
    ] == pytest.approx([0.995, 0.001])
    assert after["process_resident_memory_bytes"] > 1e6
    assert f'meshseek_build_info{{python="{platform.python_version()}",version="{__version__}"}}' in after
    assert f'content="{published.content[:12]}"' in answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert len(after) < 500


def test_figures_without_a_database(workspace: Workspace) -> None:
    """They are there, and say that no algorithm answers; the process lives, and is not ready."""
    client, _ = away(workspace, "admin")
    with client:
        assert figures_of(client.get("/metrics").text)['meshseek_algorithm_ready{algorithm="toy"}'] == 0
        assert (client.get("/live").status_code, client.get("/ready").status_code) == (200, 503)
        assert client.get("/ready").json() == {"status": "unavailable"}


def test_a_database_that_hangs_keeps_no_probe(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks whether it is ready is answered in bounded time, and many who ask make one question."""
    monkeypatch.setattr(probes, "READY_SECONDS", 0.05)
    asked: list[int] = []
    go_on = threading.Event()

    def health(**_: bool) -> dict[str, str]:
        asked.append(1)
        go_on.wait(60)
        return {"toy": "ready"}

    client, _ = away(workspace)
    with client:
        client.app.state.standing._ask = health  # type: ignore[attr-defined]
        for _ in range(3):
            assert client.get("/ready").json() == {"status": "unavailable"}
        assert len(asked) == 1
        assert client.get("/live").status_code == HTTPStatus.OK
        go_on.set()
        eventually(lambda: client.get("/ready").json() == {"status": "ready"})


class Collector(BaseHTTPRequestHandler):
    """Takes what is sent to a collector of OpenTelemetry."""

    received: ClassVar[list[bytes]]

    def do_POST(self) -> None:
        """Keep the body."""
        self.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A collector that the environment names; the value is what it receives."""
    Collector.received = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.02])
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{running.server_port}")
        yield Collector.received
        running.shutdown()
        thread.join()


def test_traces(collector: list[bytes], published_toys: Workspace, server: Server) -> None:
    """A request, its embedding and each of its statements are spans of one trace, which began with the caller."""
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with client_of(published_toys, toy_algorithm(server)) as client:
        eventually(lambda: client.get("/ready").status_code == HTTPStatus.OK)
        headers = {"traceparent": f"00-{trace}-{parent}-01", "X-Request-ID": "abc"}
        client.post("/search/text", json=SEARCH | {"query": "a secret lamp"}, headers=headers)
    sent = [ExportTraceServiceRequest.FromString(body) for body in collector]
    spans = [
        span for each in sent for part in each.resource_spans for scope in part.scope_spans for span in scope.spans
    ]
    resource = {each.key: each.value.string_value for each in sent[0].resource_spans[0].resource.attributes}

    assert (resource["service.name"], resource["service.version"]) == ("meshseek", __version__)
    assert {span.trace_id.hex() for span in spans} == {trace}
    (request,) = (span for span in spans if span.parent_span_id.hex() == parent)
    told = {each.key: each.value for each in request.attributes}
    assert request.name == "POST /search/text"
    assert told["http.response.status_code"].int_value == 200
    assert (told["meshseek.request_id"].string_value, told["meshseek.algorithm"].string_value) == ("abc", "toy")
    others = [span for span in spans if span is not request]
    assert {span.name for span in others} == {"wait", "embed", "database"}
    assert {span.parent_span_id for span in others} == {request.span_id}
    statements = {span.attributes[0].value.string_value for span in others if span.name == "database"}
    assert "shown" in statements
    assert not any(b"secret" in body for body in collector)


@pytest.mark.parametrize("environment", [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
def test_no_traces_unless_asked_for(environment: dict[str, str]) -> None:
    """Nothing is made or sent unless OpenTelemetry's own variables ask for it."""
    assert make_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"} | environment if environment else {}) is None


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER names 'zipkin'"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "as http/protobuf, not grpc",
        ),
    ],
)
def test_traces_that_cannot_be_made_as_asked(
    environment: dict[str, str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says what is done instead."""
    make_tracing(environment)

    assert told in caplog.text


def test_traces_without_what_makes_them(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """One line names the command that installs it, and the service goes on."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    assert make_tracing({"OTEL_TRACES_EXPORTER": "otlp"}) is None
    (record,) = caplog.records
    assert "pip install 'meshseek[tracing]'" in record.getMessage()


def test_the_dashboard_asks_for_figures_that_there_are(api: TestClient) -> None:
    """Every figure and label that a panel names is one that the service gives, so that no panel stays empty."""
    dashboard = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text("utf-8"))
    api.post("/search/text", json=SEARCH)
    page = api.get("/metrics").text
    given = set(re.findall(r"^(\w+)", page, re.MULTILINE)) | set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE))
    labels = set(re.findall(r'[{,](\w+)="', page)) | {"instance", "le", "algorithm", "target", "query"}
    asked = [target for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for each in asked for name in re.findall(r"\b(?:meshseek|process|python)_\w+", each["expr"])}

    assert len(dashboard["panels"]) >= 16
    assert sorted(named - given) == []
    for each in asked:
        used = re.findall(r"\{\{(\w+)\}\}", each["legendFormat"]) + re.findall(r"(\w+)[=!]~", each["expr"])
        grouped = [name for names in re.findall(r"by \((.*?)\)", each["expr"]) for name in names.split(", ")]
        assert {*used, *grouped} <= labels, each
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
