"""The page that shows the OpenAPI document: one file without scripts, which needs nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

_RULES = ("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")


def add_reference(app: FastAPI) -> None:
    """Serve the page at ``/docs``; it is made when first asked for, since by then all routes are known."""
    made: list[HTMLResponse] = []

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        if not made:
            made.append(_page(app.openapi()))
        return made[0]


def _page(document: Mapping[str, Any]) -> HTMLResponse:
    environment = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(kind=_kind, limits=_limits, pieces=_pieces, paragraphs=_paragraphs)
    style = environment.get_template("reference.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = "; ".join((*_RULES, f"style-src 'sha256-{digest}'"))
    text = environment.get_template("reference.html").render(
        document=document, operations=list(_operations(document)), style=style
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": policy})


def _paragraphs(text: str) -> list[str]:
    return text.strip().split("\n\n")


def _pieces(text: str) -> list[str]:
    """A text cut at its backticks: every other piece is code."""
    return re.split(r"`+", text)


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = next(iter(operation.get("requestBody", {}).get("content", {}).items()), None)
            yield {
                "path": path,
                "method": method.upper(),
                "body": body,
                "commands": list(_commands(path, body, schemas)),
                **operation,
            }


def _commands(path: str, body: tuple[str, Any] | None, schemas: Mapping[str, Any]) -> Iterator[str]:
    """Examples, as they are typed in a shell."""
    if body is None:
        return
    for example in schemas[_name(body[1]["schema"])].get("examples", ()):
        words = json.dumps(example, ensure_ascii=False)
        yield f"curl -H 'Content-Type: application/json' -d '{words}' \"$API{path}\""


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _kind(schema: Mapping[str, Any]) -> str:
    """What a schema takes, in a few words."""
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of ({_kind(schema['items'])})"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of ({_kind(schema['additionalProperties'])})"
    return str(schema.get("const", schema.get("type", "anything")))


def _limits(schema: Mapping[str, Any]) -> str:
    """Bounds and default of a schema."""
    if "enum" in schema:
        return "" if schema.get("default") is None else f"default {schema['default']}"
    shown = {"minimum": "at least", "maximum": "at most", "minLength": "characters at least", "maxLength": "at most"}
    parts = [f"{words} {schema[name]}" for name, words in shown.items() if name in schema]
    default = schema.get("default")
    return "; ".join([*parts, *([f"default {default}"] if default is not None else [])])
