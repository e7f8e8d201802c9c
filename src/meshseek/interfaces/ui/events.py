"""What a browser sends to Gradio, checked and made plain before Gradio sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.interfaces.ui.bodies import read_body
from meshseek.interfaces.ui.refusals import refusal
from meshseek.interfaces.ui.visitors import Visitor

EVENT = "/gradio_api/run/predict"
HEARTBEAT = "/gradio_api/heartbeat/"
EVENT_BYTES = 1_000_000
"""A full basket has 200 ids of up to 1,000 characters."""
EVENT_SECONDS = 20
LENGTHS = frozenset({b"content-length", b"transfer-encoding"})


class Events:
    """Lets events through that hold nothing but words, and keeps the visitors' sessions apart.

    Gradio would fetch whatever address it is given instead of a file's path, and keeps what a visitor sees under a name
    that their browser chooses.

    Args:
        app: What is behind it.
        events: By the number of each event of the page how many values it takes.
    """

    def __init__(self, app: ASGIApp, events: Mapping[int, int]) -> None:
        self.app = app
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything else on."""
        if scope["type"] == "http" and scope["path"] == EVENT:
            try:
                scope, receive = await self._event(Request(scope, receive))
            except HTTPException as error:
                await refusal(error)(scope, receive, send)
                return
        elif scope["type"] == "http" and scope["path"].startswith(HEARTBEAT):
            visitor: Visitor = scope["state"]["visitor"]
            session = visitor.session(scope["path"].removeprefix(HEARTBEAT))
            path = f"{HEARTBEAT}{session}"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self.app(scope, receive, send)

    async def _event(self, request: Request) -> tuple[Scope, Receive]:
        """The request with a body of ours."""
        sent = await read_body(request, EVENT_BYTES, EVENT_SECONDS)
        try:
            event = json.loads(sent)
            body = json.dumps(self._plain(event, request.state.visitor)).encode()
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "this is no event of the page") from error
        told = False

        async def receive() -> Message:
            nonlocal told
            if told:
                return await request.receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        headers = [pair for pair in request.scope["headers"] if pair[0] not in LENGTHS]
        return {**request.scope, "headers": [*headers, (b"content-length", b"%d" % len(body))]}, receive

    def _plain(self, event: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        """Nothing but what the page sends."""
        number, values = event["fn_index"], event["data"]
        if not isinstance(values, list) or len(values) != self._events[number]:
            raise ValueError("data")
        if not all(value is None or isinstance(value, str) for value in values):
            raise TypeError("data")
        trigger = event.get("trigger_id")
        return {
            "fn_index": number,
            "data": values,
            "session_hash": visitor.session(event.get("session_hash")),
            "trigger_id": trigger if isinstance(trigger, int) else None,
        }
