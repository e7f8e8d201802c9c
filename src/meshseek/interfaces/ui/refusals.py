"""Errors of the page's own routes: one sentence in plain text, which Gradio's browser part shows."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from meshseek.interfaces.ui.client import sentence


def refusal(error: HTTPException) -> Response:
    """What is answered."""
    return PlainTextResponse(sentence(str(error.detail)), error.status_code, dict(error.headers or {}))
