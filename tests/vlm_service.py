"""A local server that speaks OpenAI's chat protocol with pictures as documented, grades, and fails in many ways."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from meshseek.hosted import HostedOptions
from tests.http_service import JsonHandler, serving_json

KEY = "sk-test-1234"
PATH = "/v1/chat/completions"
MODEL = "qwen3-vl-flash"
MOST_BYTES = 10_000_000
HOLD_SECONDS = 30.0
CANDIDATE = re.compile(r"Candidate (\d+): (.*)", re.DOTALL)
QUERY = "What is searched: "

Answer = tuple[int, dict[str, Any]]


@dataclass(slots=True)
class Service:
    """The service's state, and what it is told to do wrong."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """All requests that were worked on."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """Of all pictures that came."""
    faults: list[str] = field(default_factory=list)
    """What goes wrong with the next requests, one by one."""
    error: Answer | None = None
    """The answer to every request."""
    said: Callable[[dict[str, float]], str] = json.dumps
    """What the model says, given the grades that it should."""
    usage: Any = field(default_factory=lambda: {"prompt_tokens": 3000, "completion_tokens": 100, "total_tokens": 3100})
    held: threading.Event = field(default_factory=threading.Event)
    """Requests with the fault ``hold`` wait for it."""
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once for each request."""

    def options(self, **more: Any) -> HostedOptions:
        """How a client reaches it."""
        limits = {"requests_per_minute": 600_000, "tokens_per_minute": 600_000_000, "retry_seconds": 0.005}
        return HostedOptions(base_url=self.url, **{"api_key": KEY, **limits, **more})

    def work(self, body: dict[str, Any], fault: str) -> Answer:
        """Grade each candidate by how many of the query's words its caption has, or by how red its picture is."""
        if body["model"] != MODEL:
            return 404, {"error": {"code": "model_not_found", "message": "no such model"}}
        assert body["temperature"] == 0
        assert body["enable_thinking"] is False
        system, user = body["messages"]
        assert (system["role"], user["role"]) == ("system", "user")
        self.bodies.append(body)
        grades = self._grades(user["content"])
        reason = {"length": "length", "filter": "content_filter"}.get(fault, "stop")
        message: dict[str, Any] = {"role": "assistant", "content": self.said(grades)}
        value: dict[str, Any] = {"object": "chat.completion", "model": MODEL, "usage": self.usage}
        return 200, value | {"choices": [{"index": 0, "finish_reason": reason, "message": message}]}

    def _grades(self, parts: list[dict[str, Any]]) -> dict[str, float]:
        words: list[str] | None = None
        grades: dict[str, float] = {}
        for part in parts:
            if part["type"] == "image_url":
                red = self._redness(part["image_url"]["url"])
                if words is None and grades:
                    grades[next(reversed(grades))] = round(100 * red)
                continue
            text = part["text"]
            if text.startswith(QUERY):
                words = json.loads(text.removeprefix(QUERY)).lower().split()
            elif found := CANDIDATE.fullmatch(text):
                caption = json.loads(found[2]).lower().split()
                grades[found[1]] = round(100 * sum(word in caption for word in words or ()) / len(words or [""]))
        return grades

    def _redness(self, address: str) -> float:
        head, _, data = address.partition(",")
        assert head == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        picture.load()
        self.sizes.append(picture.size)
        red, green, blue = np.asarray(picture.convert("RGB"), dtype=float).mean(axis=(0, 1)) / 255
        return float(np.clip(red - (green + blue) / 2, 0, 1))


class _Handler(JsonHandler):
    service: Service

    def answer(self) -> None:
        """Answer a chat."""
        service = self.service
        length = int(self.headers["Content-Length"])
        assert length <= MOST_BYTES
        body = json.loads(self.rfile.read(length))
        fault = service.faults.pop(0) if service.faults else ""
        service.came.release()
        if fault == "hold":
            service.held.wait(HOLD_SECONDS)
        if self.path != PATH:
            self.send(404, {"error": {"code": "not_found", "message": "no such path"}})
        elif self.headers["Authorization"] != f"Bearer {KEY}":
            said = f"Incorrect API key provided: {self.headers['Authorization']}"
            self.send(401, {"error": {"code": "invalid_api_key", "message": said}})
        elif service.error is not None:
            self.send(*service.error)
        elif fault in {"429", "500"}:
            self.send(int(fault), {"error": {"code": "busy", "message": "try again"}}, after=fault == "429")
        elif fault == "drop":
            self.drop()
        else:
            self.send(*service.work(body, fault), cut=fault == "cut")


@contextmanager
def vlm_service() -> Iterator[Service]:
    """Run the service; the value is its state."""
    service = Service()
    with serving_json(_Handler, service) as address:
        service.url = f"{address}/v1"
        try:
            yield service
        finally:
            service.held.set()
