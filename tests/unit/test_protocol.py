"""What one connection may hold, and for how long: raw sockets against uvicorn with our protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from meshseek.interfaces.http.protocol import MOST_HEAD_BYTES, MOST_HEADERS, BoundedProtocol

SOON = 0.3
"""Seconds; what a test waits for to end."""
LONG = 60.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Echo:
    """Answers with what it was sent; ``/much`` with much, and says when it is done."""

    def __init__(self) -> None:
        self.asked: list[Scope] = []
        self.done = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        self.asked.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        parts = [bytes(1 << 20)] * 64 if scope["path"] == "/much" else [body or b"nothing"]
        length = str(sum(map(len, parts))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})
        self.done.set()


@contextlib.contextmanager
def served(
    echo: Echo, *, most: int | None = None, ws: type[asyncio.Protocol] | str = "auto", **seconds: float
) -> Iterator[tuple[str, int]]:
    """A server on a free port, with other limits where given."""
    limits = {f"{name}_seconds": seconds.get(name, LONG) for name in ("head", "body", "stall")}
    limited: Any = type("Limited", (BoundedProtocol,), limits)
    config = uvicorn.Config(echo, http=limited, ws=ws, lifespan="off", log_level="critical", limit_concurrency=most)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


@pytest.fixture
def echo() -> Echo:
    """What is behind the server."""
    return Echo()


def connect(address: tuple[str, int]) -> socket.socket:
    """A connection that fails where nothing comes for long."""
    return socket.create_connection(address, timeout=20)


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes; a connection that is reset ends as well."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def error_in(answer: bytes) -> tuple[int, str]:
    """Status and code of an error in our form, which is all that came."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)["error"]["code"]


def send_until_closed(connection: socket.socket, part: bytes, most: int, between: float = 0.0) -> bytes:
    """Send the same again and again until there is an answer, or the connection is cut; the value is the answer."""
    connection.settimeout(between)
    for _ in range(most):
        with contextlib.suppress(ConnectionError, BlockingIOError):  # the other side is slow to read
            connection.sendall(part)
        try:
            came = connection.recv(1 << 16)
        except (BlockingIOError, TimeoutError):
            continue
        except ConnectionError:
            return b""
        connection.settimeout(20)
        return came + all_of(connection)
    raise AssertionError("it was all taken")


def test_requests_are_answered_as_ever(echo: Echo) -> None:
    """One after the other, side by side, with bodies in parts, and many on one connection."""
    with served(echo) as address, connect(address) as connection:
        connection.sendall(GET)
        assert connection.recv(1 << 16).endswith(b"nothing")
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        connection.sendall(b"def")
        assert connection.recv(1 << 16).endswith(b"abcdef")
        connection.sendall(GET + GET.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert all_of(connection).count(b"nothing") == 2
    assert len(echo.asked) == 4


def test_endless_headers_are_refused(echo: Echo) -> None:
    """After 16 kB, whether they are many or one that does not end."""
    line = b"a: " + b"b" * 1000 + b"\r\n"
    with served(echo) as address:
        for part in (line, b"c" * 1000):
            with connect(address) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nd: ")
                answer = send_until_closed(connection, part, 100_000)
                assert answer == b"" or error_in(answer) == (431, "headers_too_large")
        with connect(address) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nd: " + b"e" * MOST_HEAD_BYTES)
            assert error_in(all_of(connection)) == (431, "headers_too_large")
    assert echo.asked == []


@pytest.mark.parametrize(
    "head", [b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nd: %b\r\n\r\n"]
)
def test_a_large_head_is_refused_when_it_is_complete(echo: Echo, head: bytes) -> None:
    """Also where all of it comes at once; one that is a little smaller is taken."""
    with served(echo) as address:
        for much in (MOST_HEAD_BYTES + 1, 100_000):
            with connect(address) as connection:
                connection.sendall(head % (b"e" * much))
                assert error_in(all_of(connection)) == (431, "headers_too_large")
        assert echo.asked == []
        with connect(address) as connection:
            connection.sendall(head % (b"e" * (MOST_HEAD_BYTES - 100)))
            assert connection.recv(1 << 16).endswith(b"nothing")


@pytest.mark.parametrize("count", [MOST_HEADERS, MOST_HEADERS + 1])
def test_many_headers_are_refused(echo: Echo, count: int) -> None:
    """However small they are."""
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"a: b\r\n" * (count - 2)
    with served(echo) as address, connect(address) as connection:
        connection.sendall(head + b"\r\n")
        answer = all_of(connection)
        if count > MOST_HEADERS:
            assert error_in(answer) == (431, "headers_too_large")
        else:
            assert answer.endswith(b"nothing")
    assert len(echo.asked) == (count <= MOST_HEADERS)


@pytest.mark.parametrize("first", [b"", GET], ids=["at once", "after a request"])
def test_a_head_that_drips_is_refused(echo: Echo, first: bytes) -> None:
    """Each byte comes soon after the one before it, and still the whole must be there in time."""
    with served(echo, head=SOON) as address, connect(address) as connection:
        if first:
            connection.sendall(first)
            assert connection.recv(1 << 16).endswith(b"nothing")
        assert error_in(send_until_closed(connection, b"G", 1000, between=0.02)) == (408, "too_slow")


def test_a_connection_that_says_nothing_is_closed(echo: Echo) -> None:
    """It takes a place that others need."""
    with served(echo, head=SOON) as address, connect(address) as connection:
        assert error_in(all_of(connection)) == (408, "too_slow")


def test_a_body_that_drips_is_refused(echo: Echo) -> None:
    """With a length or in chunks; the application learns that nobody is there any longer."""
    with served(echo, body=SOON) as address:
        for how, part in ((b"Content-Length: 100000", b"x"), (b"Transfer-Encoding: chunked", b"1\r\nx\r\n")):
            with connect(address) as connection:
                connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + how + b"\r\n\r\n")
                assert error_in(send_until_closed(connection, part, 1000, between=0.02)) == (408, "too_slow")
                assert echo.done.wait(20)
                echo.done.clear()


def test_a_client_that_does_not_take_its_answer_is_cut(echo: Echo) -> None:
    """It asks for much and reads nothing; the application is not kept by it."""
    with served(echo, stall=SOON) as address, connect(address) as connection:
        connection.sendall(GET.replace(b"/", b"/much", 1))
        assert echo.done.wait(20)
        assert len(all_of(connection)) < 64 << 20


def test_a_client_that_takes_it_slowly_gets_it_all(echo: Echo) -> None:
    """As long as it takes something in time."""
    with served(echo) as address, connect(address) as connection:
        connection.sendall(GET.replace(b"/", b"/much", 1).replace(b"x\r\n", b"x\r\nConnection: close\r\n"))
        assert len(all_of(connection)) > 64 << 20


def test_connections_are_counted(echo: Echo) -> None:
    """One too many is told so at once, though it has not asked for anything; where one ends there is room."""
    with served(echo, most=3) as address, connect(address) as first, connect(address) as second:
        for connection in (first, second):
            connection.sendall(GET)
            assert connection.recv(1 << 16).endswith(b"nothing")
        with connect(address) as third:
            assert error_in(all_of(third)) == (503, "busy")
        first.sendall(GET.replace(b"x\r\n", b"x\r\nConnection: close\r\n"))
        assert all_of(first).endswith(b"nothing")
        with connect(address) as fourth:
            fourth.sendall(GET)
            assert fourth.recv(1 << 16).endswith(b"nothing")


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"]
)
def test_what_is_not_http_is_refused(echo: Echo, sent: bytes) -> None:
    """In the form of every error."""
    with served(echo) as address, connect(address) as connection:
        connection.sendall(sent)
        assert error_in(all_of(connection)) == (400, "bad_request")
    assert echo.asked == []


class Other(asyncio.Protocol):
    """What uvicorn would hand a websocket to, were a library for them installed."""

    def __init__(self, **_: Any) -> None:
        raise AssertionError("it took over")


def test_no_other_protocol_takes_over(echo: Echo) -> None:
    """Who asks for a websocket is answered as anybody, and bounded as anybody."""
    wish = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    with served(echo, head=SOON, ws=Other) as address, connect(address) as connection:
        connection.sendall(GET[:-2] + wish + b"\r\n")
        assert connection.recv(1 << 16).endswith(b"nothing")
        assert error_in(send_until_closed(connection, b"G", 1000, between=0.02)) == (408, "too_slow")
