"""What the local servers of the tests have in common: JSON answers, some of them cut, and connections that break."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class JsonHandler(BaseHTTPRequestHandler):
    """Sends JSON and says nothing of it."""

    service: Any
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a request."""
        self.answer()

    def answer(self) -> None:
        """What each service does otherwise."""
        raise NotImplementedError

    def drop(self) -> None:
        """Break the connection without an answer."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def send(self, status: int, value: Any, *, after: bool = False, cut: bool = False) -> None:
        """Answer with JSON; ``after`` asks to come back, ``cut`` breaks off in the middle."""
        content = json.dumps(value).encode()
        self.send_response(status)
        if after:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = self.close_connection or cut


@contextmanager
def serving_json(handler: type[JsonHandler], service: Any) -> Iterator[str]:
    """Run a service; the value is its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"service": service}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # connections are broken on purpose
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
