"""A local server that speaks the Batch and chat APIs as documented, and is as hostile as the network can be."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk-test-4711"
HOLD_SECONDS = 30.0
MODELS = {"qwen-flash", "qwen-plus", "qwen-mt-flash"}
HARMLESS = ("429", "500", "drop", "drop_after", "slow", "truncate")
"""Faults that a client has to live through."""
CUTS = {"truncate": "length", "short": "quietly", "unannounced": "unannounced"}
"""How half an answer is sent: with the length of the whole, with its own, or, in whole lines, with none."""


def expected(text: str) -> str:
    """The translation that the service gives."""
    return f"模型{zlib.crc32(text.encode())}号" + "很" * (len(text) // 10)


@dataclass(slots=True)
class Service:
    """The service's state, and what it is told to do wrong."""

    url: str = ""
    key: str = KEY
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)
    """How often each caption was translated well, which costs money, by its English text."""
    asked: Counter[str] = field(default_factory=Counter)
    """How often each caption was worked on at all."""
    outcomes: list[str] = field(default_factory=list)
    """How the next batches end; completed when none is left."""
    faults: dict[str, list[str]] = field(default_factory=dict)
    """What goes wrong with the next requests of a kind: upload, create, list, poll, content, chat."""
    chaos: float = 0.0
    """Share of all requests in which something goes wrong."""
    answer: Callable[[str, int], Any] | None = None
    """Given a caption and how often it was worked on: an answer instead of the translation, or None."""
    withheld: Counter[str] = field(default_factory=Counter)
    """How often a caption's answer is counted, and yet left out of the file."""
    error: tuple[int, dict[str, Any]] | None = None
    """The answer to every request."""
    batch_limit: int | None = None
    """So many batches may be under way; one more is throttled."""
    shuffled: bool = True
    polls: int = 2
    """How often a batch is asked for before it is done."""
    on_step: Callable[[str, str], None] = lambda _kind, _when: None
    """Called before and after each request is worked on."""
    random: random.Random = field(default_factory=lambda: random.Random(0))
    lock: threading.Condition = field(default_factory=threading.Condition)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Every chat request."""
    under_way: int = 0
    most_under_way: int = 0
    together: int = 1
    """The first requests are held until so many have been under way at once."""

    def fault(self, kind: str) -> str:
        """What goes wrong with this request."""
        with self.lock:
            if self.faults.get(kind):
                return self.faults[kind].pop(0)
            return self.random.choice(HARMLESS) if self.random.random() < self.chaos else ""

    def is_full(self) -> bool:
        """Whether it takes no more batches for now."""
        under_way = sum("output_file_id" not in batch for batch in self.batches.values())
        return self.batch_limit is not None and under_way >= self.batch_limit

    def upload(self, content: bytes) -> dict[str, Any]:
        """Keep a file."""
        name = f"file-batch-{len(self.files) + 1}"
        self.files[name] = content
        return {"id": name, "object": "file", "purpose": "batch", "bytes": len(content)}

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Begin a batch."""
        assert request["endpoint"] == "/v1/chat/completions"
        assert request["input_file_id"] in self.files
        assert re.fullmatch(r"\d+[hd]", request["completion_window"])
        name = f"batch_{len(self.batches) + 1}"
        self.batches[name] = {
            **request,
            "id": name,
            "object": "batch",
            "status": "validating",
            "polls": 0,
            "end": self.outcomes.pop(0) if self.outcomes else "completed",
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        return self.batches[name]

    def poll(self, name: str) -> dict[str, Any]:
        """Let a batch come one step further."""
        batch = self.batches[name]
        batch["polls"] += 1
        if batch["polls"] >= self.polls and "output_file_id" not in batch:
            self._finish(batch)
        elif "output_file_id" not in batch:
            batch["status"] = "in_progress"
        return batch

    def _finish(self, batch: dict[str, Any]) -> None:
        batch["status"] = batch["end"]
        batch["output_file_id"] = batch["error_file_id"] = None
        if batch["end"] == "failed":
            batch["errors"] = {"data": [{"code": "invalid_model", "message": "no such model"}]}
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        assert len({line["custom_id"] for line in lines}) == len(lines)
        assert len({line["body"]["model"] for line in lines}) == 1
        assert {line["url"] for line in lines} == {batch["endpoint"]}
        done = lines if batch["end"] == "completed" else lines[: len(lines) // 2]
        answers = [self._line(line) for line in done]
        lost = {line["custom_id"] for line in done if self._is_withheld(line["body"])}
        good = [line for line in answers if line["error"] is None and line["custom_id"] not in lost]
        bad = [line for line in answers if line["error"] is not None]
        if self.shuffled:
            self.random.shuffle(good)
            good += good[:1]  # a doubled line
        batch["request_counts"] = {"total": len(lines), "completed": len(done) - len(bad), "failed": len(bad)}
        batch["output_file_id"] = self._keep(good)
        batch["error_file_id"] = self._keep(bad) if bad else None

    def _is_withheld(self, body: dict[str, Any]) -> bool:
        text = body["messages"][-1]["content"]
        self.withheld[text] -= 1
        return self.withheld[text] >= 0

    def _keep(self, lines: list[dict[str, Any]]) -> str:
        content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        return str(self.upload(content.encode())["id"])

    def _line(self, line: dict[str, Any]) -> dict[str, Any]:
        body = self.complete(line["body"])
        response = {"status_code": 200, "request_id": "r", "body": body}
        error = body.get("error")
        own = {"id": "b", "custom_id": line["custom_id"]}
        return {**own, "response": None, "error": error} if error else {**own, "response": response, "error": None}

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Translate one caption."""
        text = str(body["messages"][-1]["content"])
        if body["model"].startswith("qwen-mt"):
            assert len(body["messages"]) == 1
            assert body["translation_options"]["target_lang"] in {"Chinese", "English"}
        with self.lock:
            self.bodies.append(body)
            self.asked[text] += 1
            other = self.answer(text, self.asked[text]) if self.answer else None
            if isinstance(other, dict):
                return other
            self.paid[text] += other is None
        content = expected(text) if other is None else other
        return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}


class _Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Poll, list, download."""
        path = urlsplit(self.path)
        name = path.path.rpartition("/v1/")[2]
        if name == "batches":
            self._serve("list", lambda: self._page({key: own[0] for key, own in parse_qs(path.query).items()}))
        elif name.startswith("batches/"):
            self._serve("poll", lambda: self.service.poll(name.partition("/")[2]))
        else:
            self._serve("content", lambda: self.service.files[name.split("/")[1]])

    def do_POST(self) -> None:
        """Upload, create, chat."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.rpartition("/v1/")[2]
        if name == "files":
            boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
            parts = [part for part in content.split(b"--" + boundary) if b"filename=" in part]
            self._serve("upload", lambda: self.service.upload(parts[0].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")))
        elif name == "batches":
            self._serve("create", lambda: self.service.create(json.loads(content)))
        else:
            self._serve("chat", lambda: self.service.complete(json.loads(content)))

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of two, newest first."""
        batches = list(reversed(self.service.batches.values()))
        names = [batch["id"] for batch in batches]
        start = names.index(query["after"]) + 1 if "after" in query else 0
        return {"object": "list", "data": batches[start : start + 2], "has_more": len(batches) > start + 2}

    def _serve(self, kind: str, work: Callable[[], Any]) -> None:
        service = self.service
        with service.lock:
            service.under_way += 1
            service.most_under_way = max(service.most_under_way, service.under_way)
            service.lock.notify_all()
            service.lock.wait_for(lambda: service.most_under_way >= service.together, HOLD_SECONDS)
        try:
            self._answer_or_fail(kind, work)
        finally:
            with service.lock:
                service.under_way -= 1

    def _answer_or_fail(self, kind: str, work: Callable[[], Any]) -> None:
        service = self.service
        service.on_step(kind, "before")
        fault = service.fault(kind)
        if service.error is not None:
            self._send(*service.error)
        elif self.headers["Authorization"] != f"Bearer {service.key}":
            self._send(
                401, {"error": {"code": "invalid_api_key", "message": f"bad key {self.headers['Authorization']}"}}
            )
        elif fault == "429" or (kind == "create" and service.is_full()):
            self._send(429, {"error": {"code": "Throttling", "message": "slow down"}}, {"Retry-After": "0"})
        elif fault == "500":
            self._send(500, {"error": {"code": "InternalError", "message": "oops"}})
        elif fault == "drop":
            self._drop()
        else:
            if fault == "slow":
                time.sleep(0.05)
            try:
                value = work()
            except KeyError as error:
                self._send(404, {"error": {"code": "not_found", "message": f"no {error}"}})
                return
            service.on_step(kind, "after")
            if fault == "drop_after":
                self._drop()
            else:
                self._send(200, value, cut=CUTS.get(fault, ""))

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)  # close() would wait for the handler's own files

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None, cut: str = "") -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        sent = content[: len(content) // 2] if cut else content
        self.send_response(status)
        for name, own in (headers or {}).items():
            self.send_header(name, own)
        self.send_header("Content-Type", "application/json")
        if cut == "unannounced":
            sent = sent[: sent.rindex(b"\n") + 1]
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(sent if cut == "quietly" else content)))
        self.end_headers()
        self.wfile.write(sent)
        self.close_connection = self.close_connection or cut in {"length", "unannounced"}


@contextmanager
def batch_service() -> Iterator[Service]:
    """Run the service; the value is its state."""
    service = Service()
    handler = type("Handler", (_Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients are killed on purpose
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}/compatible-mode/v1"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
