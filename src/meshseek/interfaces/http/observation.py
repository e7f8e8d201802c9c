"""What is seen of every request: its id, one line in the log, figures, a trace, and an answer whatever goes wrong."""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from anyio.to_thread import run_sync
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http.failures import RETRY_SECONDS, error_answer, unforeseen
from meshseek.interfaces.http.metrics import Metrics
from meshseek.interfaces.http.probes import router
from meshseek.interfaces.http.request_ids import HEADER, id_for, request_id
from meshseek.interfaces.http.routes import PICTURES
from meshseek.interfaces.http.standing import Standing
from meshseek.interfaces.http.tracing import Tracing, finish, make_tracing
from meshseek.search.figures import CacheFigures, QueueFigures
from meshseek.spans import STAGES, Spent, spent

if TYPE_CHECKING:
    from opentelemetry.trace import Span

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
    app.state.standing = Standing(lambda: meshseek.search_service.health())  # noqa: PLW0108  # it is made when the app starts
    app.state.metrics = metrics = Metrics(
        lambda: meshseek.search_service.figures(),  # noqa: PLW0108  # likewise
        lambda: {"pictures": QueueFigures.of(PICTURES)},
        lambda: {name: CacheFigures.of(cache) for name, cache in meshseek.reranking.caches.items()},
    )
    app.include_router(router)
    app.add_middleware(Observed, metrics=metrics, tracing=make_tracing())


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

    def fields(self, seconds: float) -> dict[str, Any]:
        """What is told of it: never what was asked for."""
        return {
            "method": self.method,
            "route": self.route,
            "status": int(self.status or GONE),
            "ms": round(1000 * seconds, 1),
            "bytes": self.sent,
            "key": self.caller,
        }


class Observed:
    """The outermost layer of an app."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self.app = app
        self._metrics = metrics
        self._tracing = tracing
        self._is_starting = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, and tell of it."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            await self._observe(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What an app asks itself while it starts is nobody's request."""

        async def started(message: Message) -> None:
            self._is_starting = False
            await send(message)

        self._is_starting = True
        await self.app(scope, receive, started)
        if self._tracing is not None:
            await run_sync(self._tracing.close)

    async def _observe(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        scope.setdefault("state", {})["request_id"] = number = id_for(headers.get(HEADER))
        tracing = None if self._is_starting or scope["path"] in PROBES else self._tracing
        watched = Spent(tracer=tracing.stage if tracing else None)
        exchange = _Exchange(scope, send)
        with ExitStack() as stack:
            self._metrics.under_way.inc()
            span = stack.enter_context(tracing.request(headers)) if tracing else None
            stack.callback(request_id.reset, request_id.set(number))
            stack.callback(spent.reset, spent.set(watched))
            try:
                await self.app(scope, receive, exchange.pass_on)
            except CancelledError:  # the server stops, and this took too long
                if exchange.status:
                    raise
                await _stopped()(scope, receive, exchange.pass_on)
            except Exception as error:
                if exchange.status:  # the server cuts what has begun, so that nobody takes it for whole
                    raise
                await unforeseen(None, error)(scope, receive, exchange.pass_on)
            finally:
                self._metrics.under_way.dec()
                if not self._is_starting:
                    self._tell(exchange, watched, span)

    def _tell(self, exchange: _Exchange, watched: Spent, span: Span | None) -> None:
        seconds = time.perf_counter() - exchange.started
        fields = exchange.fields(seconds)
        self._metrics.count(fields["method"], fields["route"], fields["status"], seconds, exchange.sent)
        self._metrics.count_stages(watched)
        fields["algorithm"] = watched.algorithm
        if span is not None:
            finish(span, fields, exchange.scope["state"]["request_id"])
        fields |= {f"{name}_ms": round(1000 * watched.seconds[name], 1) for name in STAGES if name in watched.seconds}
        _log(fields)


def _stopped() -> JSONResponse:
    answer = error_answer(HTTPStatus.SERVICE_UNAVAILABLE, "stopping", "the service stops; ask again in a moment")
    answer.headers["Retry-After"] = RETRY_SECONDS
    return answer


def _log(fields: Mapping[str, Any]) -> None:
    """One line a request; of what is asked every few seconds only if it went wrong."""
    level = logging.INFO
    if fields["route"] in PROBES and fields["status"] < HTTPStatus.BAD_REQUEST:
        level = logging.DEBUG
    if log.isEnabledFor(level):
        told = {name: value for name, value in fields.items() if value is not None}
        log.log(level, "%s %s %d", told["method"], told["route"], told["status"], extra={"fields": told})
