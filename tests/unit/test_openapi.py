"""The API's description: kept in the repository, true of every route, and shown without anything from elsewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http import create_app
from meshseek.settings import read_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The OpenAPI document of the API as it is."""
    described: dict[str, Any] = create_app(Meshseek(read_settings(workspace=Path("/nowhere")))).openapi()
    return described


def test_the_kept_description_is_that_of_the_api() -> None:
    """A change to a route, a field or a status is seen in the file that is kept; 'make openapi' writes it anew."""
    made = runpy.run_path(str(ROOT / "scripts" / "openapi.py"))["document"]()

    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == made


def test_each_route_says_what_it_may_answer(document: dict[str, Any]) -> None:
    """Refusals have one form and stand where they are given: what has a body can be unreadable or too large."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            statuses = {int(status) for status in operation["responses"]}
            if not path.startswith(("/assets", "/facets", "/search")):
                continue
            assert statuses >= {200, 404, 409, 422, 503}
            assert ({400, 413} <= statuses) is ("requestBody" in operation)
            for status in statuses - {200, 206}:
                schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}


def test_the_page_of_the_api_needs_nothing_from_elsewhere(document: dict[str, Any]) -> None:
    """It has every route, field and status, no script, no address of another host, and a policy that allows neither."""
    client = TestClient(create_app(Meshseek(read_settings(workspace=Path("/nowhere")))), "http://localhost")
    answer = client.get("/docs")
    policy = answer.headers["content-security-policy"]

    assert answer.status_code == 200
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert not re.search(r"<script|https?:|@import|url\(|\son\w+=", answer.text)
    for path in document["paths"]:
        assert path in answer.text
    for name, schema in document["components"]["schemas"].items():
        assert f'id="{name}"' in answer.text
        assert all(f"<code>{field}</code>" in answer.text for field in schema["properties"])
    assert client.get("/redoc").status_code == 404


def test_files_are_described_as_bytes(document: dict[str, Any]) -> None:
    """And as nothing else where all went well, so that a client that is made of it does not read a GLB as JSON."""
    files = {
        "model": {"model/gltf-binary"},
        "view": {"image/png", "image/jpeg", "image/webp"},
        "collect": {"application/zip"},
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            for status in {"200", "206"} & operation["responses"].keys():
                content = operation["responses"][status]["content"]
                if operation["operationId"] in files:
                    assert content.keys() == files[operation["operationId"]]
                    assert all(kind == {"schema": {"type": "string", "format": "binary"}} for kind in content.values())
                else:
                    assert all("format" not in kind["schema"] for kind in content.values())
                    assert all(kind["schema"] for kind in content.values())


def test_routes_have_names_and_subjects(document: dict[str, Any]) -> None:
    """Short names, each once, which clients that are made of the description call their methods; one subject each."""
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len({*names}) == len(names)
    assert {"search_text", "search_image", "search_combined", "assets", "asset", "model", "collect"} < {*names}
    subjects = {tag["name"] for tag in document["tags"]}
    assert [tags for operation in operations if len(tags := operation["tags"]) != 1 or not {*tags} < subjects] == []
