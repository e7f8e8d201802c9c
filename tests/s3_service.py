"""A small storage over HTTP that answers as S3 does, and fails in its ways."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

NOTHING = (
    b'<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>'
)


@dataclass(slots=True)
class Storage:
    """Its files, by bucket and key."""

    files: dict[str, bytes] = field(default_factory=dict)
    fails: str = ""
    """``refuses``, ``silent``, or how it answers otherwise."""
    asked: list[str] = field(default_factory=list)
    """Parts that were asked for."""
    awake: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    storage: Storage
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Tell of a file."""
        self.answer()

    def do_GET(self) -> None:
        """Send a part of a file."""
        self.answer()

    def answer(self) -> None:
        """As S3, or not at all."""
        storage = self.storage
        if storage.fails == "silent":
            storage.awake.wait(60)
            self.close_connection = True
            return
        if storage.fails == "refuses":
            self.send(403, b"")
            return
        name = unquote(urlsplit(self.path).path).strip("/")
        data = storage.files.get(name)
        if data is None:
            is_listing = "list-type" in self.path
            self.send(200 if is_listing else 404, NOTHING if is_listing else b"")
            return
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        headers = {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "Last-Modified": "Fri, 27 Nov 2026 00:00:00 GMT"}
        if part is None:
            self.send(200, data, headers)
            return
        storage.asked.append(part[0])
        start, end = int(part[1]), min(int(part[2]), len(data) - 1)
        self.send(206, data[start : end + 1], headers | {"Content-Range": f"bytes {start}-{end}/{len(data)}"})

    def send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def s3_storage() -> Iterator[Storage]:
    """Run it; nothing is in it."""
    storage = Storage()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"storage": storage}))
    server.daemon_threads = True
    storage.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield storage
    finally:
        storage.awake.set()
        server.shutdown()
        server.server_close()
