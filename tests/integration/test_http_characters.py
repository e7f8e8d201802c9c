"""Half characters (lone surrogates) and NULs anywhere in a request: a 4xx in the form of every error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.conftest import ServedLibrary

from meshseek.interfaces.http import create_app

ODD = ["\ud800", "a\udfff", "\x00", "a\x00b"]
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def api(library: ServedLibrary) -> Iterator[TestClient]:
    """The API over the small real library, in this process."""
    with TestClient(create_app(library.opened()), "http://localhost", raise_server_exceptions=False) as client:
        yield client


def is_refused(api: TestClient, method: str, path: str, **content: Any) -> None:
    """It is the caller's mistake, in our form."""
    answer = api.request(method, path, **content)
    assert 400 <= answer.status_code < 500, answer.text
    assert {"code", "message"} <= answer.json()["error"].keys()


def test_in_json(api: TestClient) -> None:
    """In each field, in names of fields, in filters and their names, and in nested values, escaped or raw."""
    fields = ("algorithm", "target", "query_type", "min_relevance", "size", "rerank")
    for odd in ODD:
        plain = {"query": "chair", "algorithm": "lite"}
        bodies: list[dict[str, Any]] = [{**plain, field: odd} for field in fields]
        bodies += [{**plain, odd: 1}, {**plain, "filters": {odd: "a"}}, {**plain, "filters": {"category": odd}}]
        bodies += [{**plain, "filters": {"tags": ["a", odd]}}, {**plain, "filters": {"tags": {"not": odd}}}]
        bodies += [{**plain, "filters": {"faces": odd}}, {**plain, "filters": {"faces": {odd: 1}}}]
        bodies += [{**plain, "query": odd}]
        for body in bodies:
            escaped = json.dumps(body).encode()
            raw = json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass")
            for content in (escaped, raw):
                if body.get("query") == "a\x00b":  # words with a blank between
                    continue
                is_refused(api, "POST", "/search/text", content=content, headers=JSON)


def test_in_forms(api: TestClient) -> None:
    """Also where the form says that its fields are in an encoding that can make half a character, or fail oddly."""
    charsets = ("unicode_escape", "utf-7", "utf-16", "idna", "undefined", "punycode", "zlib", "rot13")
    fields = (("algorithm", rb"\ud800"), (r"\ud800", b"a"), ("filters", rb'{"category": "\ud800"}'))
    for charset, (name, value) in product(charsets, fields):
        body = (
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
            + value
            + b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="\\udfff.png"\r\n\r\nno\r\n--x--\r\n'
        )
        kind = f"multipart/form-data; boundary=x; charset={charset}"
        is_refused(api, "POST", "/search/image", content=body, headers={"content-type": kind})


def test_in_paths_and_queries(api: TestClient) -> None:
    """As percent-encoded bytes that are no UTF-8, or a NUL."""
    for odd in ("%ED%A0%80", "%00", "a%00b", "%FF", "%C0%80"):
        for path in (
            f"/assets/{odd}",
            f"/assets/{odd}/similar?algorithm=lite",
            f"/assets/{odd}/model",
            f"/assets/chair-0001/views/{odd}",
            f"/assets/{odd}/views/0/camera",
            f"/facets/{odd}?algorithm=lite",
            f"/facets/category?algorithm={odd}",
            f"/assets/chair-0001?algorithm={odd}",
            f"/assets/chair-0001/similar?algorithm=lite&target={odd}",
            f"/assets/chair-0001/similar?algorithm=lite&top_k={odd}",
        ):
            is_refused(api, "GET", path)
        assert api.get(f"/assets/chair-0001/views/0?algorithm=lite&v={odd}").status_code == 200


def test_files_in_parts(api: TestClient) -> None:
    """A part of a file is sent as asked; what cannot be a part is refused in the form of every error."""
    for path in ("/assets/chair-0001/views/0", "/assets/chair-0001/model", "/assets/chair-0001/views/0/camera"):
        whole = api.get(path).content
        part = api.get(path, headers={"Range": "bytes=1-4"})
        assert (part.status_code, part.content) == (206, whole[1:5])
        for asked, status in (("bytes=a-b", 400), ("lines=1-2", 400), (f"bytes={len(whole)}-", 416)):
            answer = api.get(path, headers={"Range": asked})
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
            assert answer.json()["error"]["message"]
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
