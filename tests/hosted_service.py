"""A local server that speaks DashScope's multimodal embedding API as documented, and fails in every way it can."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from tests.http_service import JsonHandler, serving_json

KEY = "sk-test-0815"
PATH = "/api/v1/services/embeddings/multimodal-embedding/multimodal-embedding"
DIMS = {
    "qwen3-vl-embedding": (2560, 2048, 1536, 1024, 768, 512, 256),
    "tongyi-embedding-vision-plus": (1152,),
    "tongyi-embedding-vision-flash": (768,),
    "tongyi-embedding-vision-plus-2026-03-06": (1152, 1024, 512, 256, 128, 64),
    "tongyi-embedding-vision-flash-2026-03-06": (768, 512, 256, 128, 64),
}
HOLD_SECONDS = 30.0
MAX_CONTENTS, MAX_IMAGE_BYTES = 20, 5_000_000

Answer = tuple[int, dict[str, Any]]


class RefusedRequestError(Exception):
    """What the service says no to: code and message."""


@dataclass(slots=True)
class Service:
    """The service's state, and what it is told to do wrong."""

    url: str = ""
    key: str = KEY
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all requests that were worked on."""
    times: list[float] = field(default_factory=list)
    """When each request came, worked on or not."""
    paid: Counter[str] = field(default_factory=Counter)
    """How often each text was embedded; pictures count by their data."""
    faults: list[str] = field(default_factory=list)
    """What goes wrong with the next requests, one by one."""
    error: Answer | None = None
    """The answer to every request."""
    requests_until_empty: int | None = None
    """After so many requests the account has no money left."""
    refused: str = "forbidden"
    """Requests with a text that holds this word are refused by the content check."""
    shuffled: bool = True
    under_way: int = 0
    most_under_way: int = 0
    together: int = 1
    """The first requests are held until so many have been under way at once."""
    lock: threading.Condition = field(default_factory=threading.Condition)

    def embed(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer a request that is as it should be."""
        contents, parameters = body["input"]["contents"], body["parameters"]
        dim = self._check(body["model"], contents, parameters)
        if parameters.get("enable_fusion"):
            entries = [self._entry(0, "fusion", contents, dim)]
        else:
            entries = [self._entry(number, next(iter(own)), [own], dim) for number, own in enumerate(contents)]
        if self.shuffled:
            random.Random(len(self.requests)).shuffle(entries)
        with self.lock:
            self.requests.append(body)
            for content in contents:
                self.paid[str(content.get("text") or json.dumps(content))] += 1
        usage = {"input_tokens": 10 * len(contents), "image_tokens": 0, "total_tokens": 10 * len(contents)}
        return {"output": {"embeddings": entries}, "usage": usage, "request_id": "r"}

    def _check(self, model: str, contents: list[dict[str, Any]], parameters: Mapping[str, Any]) -> int:
        if model not in DIMS:
            raise RefusedRequestError("Model.NotExist", "Model not exist.")
        dims = DIMS[model]
        dim = parameters.get("dimension", dims[0])
        pictures = [picture for content in contents for picture in _pictures(content)]
        together = any("multi_images" in content for content in contents)
        problems = {
            "dimension": dim not in dims or ("dimension" in parameters and len(dims) == 1),
            "number of contents": not 1 <= len(contents) <= MAX_CONTENTS,
            "number of images": model == "qwen3-vl-embedding" and len(pictures) > 5,
            "multi_images": together and model == "qwen3-vl-embedding",
            "enable_fusion": bool(parameters.get("enable_fusion")) and model != "qwen3-vl-embedding",
            "empty text": any(content.get("text") == "" for content in contents),
        }
        problem = next((name for name, found in problems.items() if found), None)
        if problem:
            raise RefusedRequestError("InvalidParameter", f"{problem} is not supported")
        for picture in pictures:
            head, _, data = picture.partition(",")
            content = base64.b64decode(data)
            if not head.startswith("data:image/") or len(content) > MAX_IMAGE_BYTES:
                raise RefusedRequestError("InvalidParameter", "the image cannot be read")
            Image.open(io.BytesIO(content)).load()
        if any(self.refused in content.get("text", "") for content in contents):
            raise RefusedRequestError("DataInspectionFailed", "Input data may contain inappropriate content.")
        return int(dim)

    def _entry(self, index: int, kind: str, contents: list[dict[str, Any]], dim: int) -> dict[str, Any]:
        return {"index": index, "type": kind, "embedding": vector(contents, dim).tolist()}


def vector(contents: list[dict[str, Any]], dim: int) -> np.ndarray:
    """The vector that the service gives, not of length one."""
    seed = int.from_bytes(hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=dim)


def _pictures(content: dict[str, Any]) -> list[str]:
    return [*([content["image"]] if "image" in content else []), *content.get("multi_images", [])]


class _Handler(JsonHandler):
    service: Service

    def answer(self) -> None:
        """Embed."""
        service = self.service
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with service.lock:
            service.times.append(time.monotonic())
            service.under_way += 1
            service.most_under_way = max(service.most_under_way, service.under_way)
            service.lock.notify_all()
            service.lock.wait_for(lambda: service.most_under_way >= service.together, HOLD_SECONDS)
            fault = service.faults.pop(0) if service.faults else ""
        try:
            self._answer(body, fault)
        finally:
            with service.lock:
                service.under_way -= 1

    def _answer(self, body: dict[str, Any], fault: str) -> None:
        service = self.service
        failures: dict[str, Answer] = {
            "429": (429, {"code": "Throttling.RateQuota", "message": "slow down"}),
            "500": (500, {"code": "InternalError", "message": "oops"}),
            "503": (503, {"code": "ServiceUnavailable", "message": "busy"}),
            "200 with code": (200, {"code": "InternalError", "message": "oops"}),
        }
        if self.path != PATH:
            self.send(404, {"code": "NotFound", "message": "no such path"})
        elif service.error is not None:
            self.send(*service.error)
        elif service.requests_until_empty is not None and len(service.requests) >= service.requests_until_empty:
            self.send(403, {"code": "Arrearage", "message": "Access denied, the account is in arrears."})
        elif self.headers["Authorization"] != f"Bearer {service.key}":
            said = f"Invalid API-key provided: {self.headers['Authorization']}"
            self.send(401, {"code": "InvalidApiKey", "message": said})
        elif fault in failures:
            self.send(*failures[fault], after=fault == "429")
        elif fault == "drop":
            self.drop()
        else:
            self._work(body, fault)

    def _work(self, body: dict[str, Any], fault: str) -> None:
        try:
            value = self.service.embed(body)
        except RefusedRequestError as error:
            code, message = error.args
            self.send(404 if code == "Model.NotExist" else 400, {"code": code, "message": message})
            return
        entries = value["output"]["embeddings"]
        if fault == "slow":
            time.sleep(0.1)
        elif fault == "missing":
            entries.pop()
        elif fault == "doubled":
            entries[-1]["index"] = entries[0]["index"]
        elif fault == "wrong length":
            entries[0]["embedding"] = entries[0]["embedding"][:-1]
        elif fault == "zero":
            entries[0]["embedding"] = [0.0] * len(entries[0]["embedding"])
        elif fault == "nan":
            entries[0]["embedding"][0] = float("nan")
        if fault == "drop after":
            self.drop()
        else:
            self.send(200, value, cut=fault == "cut")


@contextmanager
def hosted_service() -> Iterator[Service]:
    """Run the service; the value is its state."""
    service = Service()
    with serving_json(_Handler, service) as service.url:
        yield service
