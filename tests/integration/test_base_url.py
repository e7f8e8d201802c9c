"""Models that are passed on from ``BASE_URL``: from that host alone, within bounds, and without telling of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import httpx
import pytest

from meshseek.errors import BusyError, NotFoundError, ServiceError
from meshseek.interfaces.http import upstream as bounds
from meshseek.interfaces.http.upstream import PassedOn, Upstream
from meshseek.settings import read_settings

GLB = b"glTF" + bytes(100_000)


class Host(BaseHTTPRequestHandler):
    """Answers as the test says."""

    answer: Callable[[Host], None]
    asked: list[str]

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(f"{self.headers['Host']}{self.path}")
        type(self).answer(self)

    def say(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def host(answer: Callable[[Host], None], *, knows_head: bool = False) -> Iterator[tuple[int, list[str]]]:
    """A web server; the values are its port and what it was asked for."""
    asked: list[str] = []
    heads = {"do_HEAD": Host.do_GET} if knows_head else {}
    handler = type("Handler", (Host,), {"answer": staticmethod(answer), "asked": asked, **heads})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # connections are cut on purpose
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def upstream(port: int, user: str = "", **settings: float) -> Upstream:
    """The host at a port."""
    return Upstream(
        read_settings(workspace=Path("/nowhere"), base_url=f"http://{user}127.0.0.1:{port}/glbs", **settings)
    )


async def body_of(answer: PassedOn) -> tuple[bytes, bool]:
    """What a client gets, and whether the answer is whole."""
    parts: list[bytes] = []
    whole = False

    async def receive() -> dict[str, str]:
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        nonlocal whole
        if message["type"] == "http.response.body":
            parts.append(bytes(message["body"]))  # type: ignore[call-overload]
            whole = not message.get("more_body")

    await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)  # type: ignore[arg-type]
    return b"".join(parts), whole


@pytest.fixture
def anyio_backend() -> str:
    """One is enough."""
    return "asyncio"


@pytest.mark.anyio
async def test_the_content_is_passed_on_as_a_model() -> None:
    """Whatever the other side calls it, the type is that of models; no header of its comes along."""
    with host(lambda to: to.say(200, GLB, Content_Type="text/html", Set_Cookie="a=b")) as (port, asked):
        answer = upstream(port).model("a b/ö.glb")
        assert await body_of(answer) == (GLB, True)
    assert answer.headers["content-type"] == "model/gltf-binary"
    assert "set-cookie" not in answer.headers
    assert asked == [f"127.0.0.1:{port}/glbs/a%20b/%C3%B6.glb"]


@pytest.mark.anyio
async def test_redirects_stay_at_the_host(caplog: pytest.LogCaptureFixture) -> None:
    """One to another path is followed; one to another port, name or scheme is not, nor is one without an end."""
    with host(lambda to: to.say(200, b"secret")) as (inside, asked_inside):
        targets = [f"http://127.0.0.1:{inside}/x", f"http://localhost:{inside}/x", "file:///etc/passwd", "//[::1]/x"]

        def redirect(to: Host) -> None:
            if to.path == "/new.glb":
                to.say(200, GLB)
            elif to.path == "/glbs/moved.glb":
                to.say(302, Location="/new.glb")
            elif to.path == "/glbs/round.glb":
                to.say(302, Location=to.path)
            else:
                to.say(307, Location=targets[int(to.path[-1])])

        with host(redirect) as (port, asked):
            assert await body_of(upstream(port).model("moved.glb")) == (GLB, True)
            for number in range(len(targets)):
                with pytest.raises(ServiceError, match="the server's log says why") as caught:
                    await body_of(upstream(port).model(str(number)))
                assert str(inside) not in str(caught.value)
            asked.clear()
            with pytest.raises(ServiceError):
                await body_of(upstream(port).model("round.glb"))
            assert len(asked) == 4
    assert asked_inside == []
    assert "another host" in caplog.text


@pytest.mark.anyio
async def test_a_model_that_is_too_large() -> None:
    """Refused where its length is told, cut where it is not; what is packed is not unpacked."""
    with (
        host(lambda to: to.say(200, Content_Length=str(10**12))) as (port, _),
        pytest.raises(NotFoundError, match="MESHSEEK_BASE_URL_MEGABYTES allows 1"),
    ):
        await body_of(upstream(port, base_url_megabytes=1).model("a.glb"))
    with host(lambda to: to.say(200, bytes(3_000_000))) as (port, _):
        content, whole = await body_of(upstream(port, base_url_megabytes=1).model("a.glb"))
        assert len(content) <= 1_000_000
        assert not whole
    with host(lambda to: to.say(200, b"x", Content_Encoding="gzip")) as (port, _), pytest.raises(ServiceError):
        await body_of(upstream(port).model("a.glb"))


@pytest.mark.anyio
async def test_a_model_that_comes_too_slowly() -> None:
    """The transfer as a whole is bounded, and what cannot be finished in time is left unfinished."""
    over = threading.Event()

    def dribble(to: Host) -> None:
        to.say(200, Content_Length=str(len(GLB)))
        while not over.wait(0.02):
            to.wfile.write(b"x")

    with host(dribble) as (port, _):
        content, whole = await body_of(upstream(port, base_url_seconds=0.3).model("a.glb"))
        over.set()
    assert len(content) < len(GLB)
    assert not whole


@pytest.mark.anyio
async def test_a_few_models_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may be passed on or wait is told to come back; the end of one lets the next in."""
    monkeypatch.setattr(bounds, "CONNECTIONS", 2)
    monkeypatch.setattr(bounds, "WAITING", 1)
    asked, go_on = threading.Semaphore(0), threading.Event()

    def answer(to: Host) -> None:
        asked.release()
        go_on.wait(30)
        to.say(200, GLB)

    with host(answer) as (port, _):
        one = upstream(port)
        whole: list[bool] = []

        async def fetch() -> None:
            whole.append((await body_of(one.model("a.glb")))[1])

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(fetch)
            for _ in range(2):
                await anyio.to_thread.run_sync(asked.acquire)
            with pytest.raises(BusyError):
                await body_of(one.model("a.glb"))
            go_on.set()
        assert whole == [True] * 3
        assert await body_of(one.model("a.glb")) == (GLB, True)


@pytest.mark.anyio
async def test_a_host_that_never_comes_to_the_end_of_its_headers() -> None:
    """The bound in time holds before the answer begins too."""
    over = threading.Event()

    def dribble(to: Host) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
        while not over.wait(0.02):
            to.wfile.write(b"x")

    with host(dribble) as (port, _):
        with pytest.raises(ServiceError):
            await body_of(upstream(port, base_url_seconds=0.3).model("a.glb"))
        over.set()


@pytest.mark.anyio
async def test_nothing_private_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the address nor the password in it reaches a caller or the log; the password reaches the host."""
    seen: list[str] = []

    def answer(to: Host) -> None:
        seen.append(to.headers["Authorization"])
        to.say(403, b"the bucket of hunter2")

    caplog.set_level(logging.DEBUG, "meshseek")
    with host(answer) as (port, _), pytest.raises(NotFoundError) as refused:
        await body_of(upstream(port, "me:hunter2@").model("a.glb"))
    with pytest.raises(ServiceError) as away:
        await body_of(upstream(port, "me:hunter2@").model("a.glb"))
    assert seen == [httpx.BasicAuth("me", "hunter2")._auth_header]
    for text in (str(refused.value), str(away.value), caplog.text):
        assert "hunter2" not in text
        assert str(port) not in str(refused.value) + str(away.value)


@pytest.mark.parametrize("key", ["../a.glb", "a/../../b", ".."])
def test_a_key_that_leads_out_is_asked_for_nowhere(key: str) -> None:
    """Dots never reach the host."""
    with host(lambda to: to.say(200, GLB)) as (port, asked), pytest.raises(NotFoundError):
        upstream(port).model(key)
    assert asked == []
