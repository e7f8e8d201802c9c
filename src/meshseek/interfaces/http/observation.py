"""What is seen of every request: its id, one line in the log, figures, a trace, and an answer whatever goes wrong."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http.failures import unforeseen
from meshseek.interfaces.http.request_ids import HEADER, id_for, request_id
from meshseek.spans import STAGES, Spent, spent

log = logging.getLogger("meshseek.requests")

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NO_ROUTE: Final = "(none)"
"""In place of an address that no route has: what strangers make up is no name of a figure."""
GONE: Final = 499
"""Status of a request whose caller hung up before an answer began, as nginx writes it."""
PROBES: Final = ("/live", "/ready", "/health", "/metrics")
"""Asked every few seconds: a line of each would be most of the log."""


def add_observation(app: FastAPI, meshseek: Meshseek) -> None:
    """Let an app be observed.

    Args:
        app: To be called last of all that adds to it, so that whatever an inner layer does is seen.
        meshseek: Whose settings and parts are observed.
    """
    del meshseek
    app.add_middleware(Observed)


@dataclass(slots=True)
class _Exchange:
    """One request and what became of it."""

    scope: Scope
    send: Send
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    """Of the answer; 0 until it begins."""
    sent: int = 0
    """Bytes of its body."""

    async def pass_on(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[HEADER] = request_id.get() or ""
        elif message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
        await self.send(message)

    @property
    def method(self) -> str:
        """Of those that there are."""
        method: str = self.scope["method"]
        return method if method in METHODS else "OTHER"

    @property
    def route(self) -> str:
        """The address with the names of its parts in place of what was asked for."""
        path = getattr(self.scope.get("route"), "path", None)
        if path is None:  # a plain route, such as that of the documentation, does not say that it was taken
            plain = {getattr(each, "path", None) for each in self.scope["app"].routes}
            path = self.scope["path"] if self.scope["path"] in plain else NO_ROUTE
        return str(path)

    @property
    def caller(self) -> str | None:
        """Name of the key that was sent, where one was needed."""
        return getattr(self.scope.get("state", {}).get("caller"), "name", None)


class Observed:
    """The outermost layer of an app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, and tell of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})["request_id"] = number = id_for(Headers(scope=scope).get(HEADER))
        watched = Spent()
        exchange = _Exchange(scope, send)
        with ExitStack() as stack:
            stack.callback(request_id.reset, request_id.set(number))
            stack.callback(spent.reset, spent.set(watched))
            try:
                await self.app(scope, receive, exchange.pass_on)
            except Exception as error:
                if exchange.status:  # the server cuts what has begun, so that nobody takes it for whole
                    raise
                await unforeseen(None, error)(scope, receive, exchange.pass_on)
            finally:
                _tell(exchange, watched)


def _tell(exchange: _Exchange, watched: Spent) -> None:
    seconds = time.perf_counter() - exchange.started
    status = exchange.status or GONE
    level = logging.INFO
    if exchange.route in PROBES and status < HTTPStatus.BAD_REQUEST:
        level = logging.DEBUG
    if not log.isEnabledFor(level):
        return
    fields: dict[str, Any] = {
        "method": exchange.method,
        "route": exchange.route,
        "status": status,
        "ms": round(1000 * seconds, 1),
        "bytes": exchange.sent,
        "key": exchange.caller,
        "algorithm": watched.algorithm,
    }
    fields |= {f"{name}_ms": round(1000 * watched.seconds[name], 1) for name in STAGES if name in watched.seconds}
    told = {name: value for name, value in fields.items() if value is not None}
    log.log(level, "%s %s %d", exchange.method, exchange.route, status, extra={"fields": told})
