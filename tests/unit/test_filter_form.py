"""Filters that are written otherwise are told in one sentence, in the words of the field, however they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http import create_app
from meshseek.settings import read_settings

NUMBER = 'takes a number or {"min": 40, "max": 60}'
WORDS = "the filter on 'tags' takes a word or a list of words, or {\"not\": ...} around either"


@pytest.fixture(scope="module")
def api() -> Iterator[TestClient]:
    """An API that has nothing yet: what is wrong is told before anything is asked."""
    with TestClient(create_app(Meshseek(read_settings(workspace=Path("/nowhere")))), "http://localhost") as client:
        yield client


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"height": {"lt": 80}}, f"the filter on 'height' {NUMBER} in cm, or {{\"not\": ...}} around either"),
        ({"height": {"max": "80"}}, f"the filter on 'height' {NUMBER} in cm"),
        ({"width": [40, 60]}, f"the filter on 'width' {NUMBER} in cm"),
        ({"faces": None}, f"the filter on 'faces' {NUMBER}, or"),
        ({"height": {"not": {"least": 1}}}, f"the filter on 'height' {NUMBER}"),
        ({"tags": True}, WORDS),
        ({"tags": {"not": [1]}}, WORDS),
        ({"tags": ["x"] * 101}, "at most 100 words of at most 1,000 characters"),
        ({"tags": "x" * 1_001}, "at most 100 words of at most 1,000 characters"),
        ({"colour": {"is": "red"}}, "cannot filter on 'colour'; known fields: category, "),
        ({"filters": {"category": "Office"}}, "cannot filter on 'filters'; known fields: category, "),
        ({"x" * 101: "a"}, "cannot filter on 'xxx"),
        ({f"a{n}": "b" for n in range(21)}, "filters: at most 20 fields; give a JSON object by field"),
        ([], "filters: give a JSON object by field, as in"),
        ("category=Office", "filters: give a JSON object by field, as in"),
    ],
)
def test_a_filter_that_is_none_is_told_in_the_words_of_its_field(api: TestClient, filters: Any, message: str) -> None:
    """In a search by words, by parts and by a picture, and in the catalogue."""
    form = {"filters": json.dumps(filters)}
    for answer in (
        api.post("/search/text", json={"query": "chair", "filters": filters}),
        api.post("/search", json={"parts": [{"text": "chair"}], "filters": filters}),
        api.post("/search/image", files={"file": ("a.png", b"none")}, data=form),
        api.get("/assets", params=form),
    ):
        assert answer.status_code == 422
        told = answer.json()["error"]["message"]
        assert message in told
        assert "\n" not in told
        assert len(told) < 250


def test_filters_that_are_no_json_are_told(api: TestClient) -> None:
    """With how they are written."""
    answer = api.get("/assets", params={"filters": "category=Office"})
    assert answer.status_code == 422
    assert 'give a JSON object by field, as in {"category": "Office"' in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content", "kind", "where"),
    [(b'{"query": "chair"}', "text/plain", ""), (b'{"query": }', "application/json", " at character 10")],
)
def test_a_body_that_is_no_json_is_told(api: TestClient, content: bytes, kind: str, where: str) -> None:
    """With the header that says that it is."""
    for path in ("/search/text", "/search"):
        answer = api.post(path, content=content, headers={"Content-Type": kind})
        assert answer.status_code == 422
        assert answer.json()["error"]["message"] == (
            f"the body is no JSON object{where}; send one, with the header 'Content-Type: application/json'"
        )
