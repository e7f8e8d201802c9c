"""The tools at ``/mcp`` of the API: each call is asked of the API itself, inside the process, as who called.

Nothing is remembered between requests, so that any of several services may answer the next one.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import httpx
from anyio.to_thread import run_sync
from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from meshseek.access.keys import Caller
from meshseek.client import Client
from meshseek.interfaces.http.failures import error_answer
from meshseek.interfaces.http.request_ids import HEADER

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH: Final = "/mcp"


def add_agents(app: FastAPI) -> None:
    """Serve the tools. What they need is imported when they are first asked for: most services never are."""
    app.state.agents = agents = Agents(app)
    app.router.routes.append(Route(PATH, endpoint=agents, include_in_schema=False))


class Agents:
    """The route.

    Args:
        app: Is asked by the tools.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._manager: asyncio.Future[StreamableHTTPSessionManager] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._end = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST":  # a stream of news is optional, and there are none; nor are there sessions to end
            text = "this is for agents that speak MCP, which send POST; docs/how-to/agents.md shows how to set one up"
            answer = error_answer(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", text)
            answer.headers["Allow"] = "POST"
            await answer(scope, receive, send)
            return
        if self._manager is None:
            self._manager = asyncio.get_running_loop().create_future()
            self._serving = asyncio.create_task(self._serve(self._manager))
        manager = await asyncio.shield(self._manager)
        await manager.handle_request(scope, receive, send)

    async def close(self) -> None:
        """End what is under way."""
        self._end.set()
        if self._serving is not None:
            await self._serving

    async def _serve(self, made: asyncio.Future[StreamableHTTPSessionManager]) -> None:
        try:
            manager = await run_sync(_make, self.app)
        except Exception as error:  # noqa: BLE001  # whoever waits gets it, and the next one tries again
            self._manager = None
            made.set_exception(error)
            return
        async with manager.run():
            made.set_result(manager)
            await self._end.wait()


class Inside(httpx.BaseTransport):
    """Asks an app in this process, from a thread, as somebody whom the gate has let in.

    Args:
        app: Is asked.
        scope: Of the request that this is done for: its caller, and its number in the log.
    """

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._app = app
        self._caller: Caller = scope["state"]["caller"]
        self._headers = {HEADER: scope["state"].get("request_id") or ""}
        self._loop = asyncio.get_running_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask, and wait."""
        request.read()
        request.headers.update(self._headers)
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await httpx.ASGITransport(self._ask).handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

    async def _ask(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app({**scope, "state": {"caller": self._caller}}, receive, send)


def _make(app: ASGIApp) -> StreamableHTTPSessionManager:
    """What speaks the protocol; importing it takes most of a second."""
    from mcp.server import ServerRequestContext  # noqa: PLC0415
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: PLC0415

    from meshseek.interfaces.mcp.arguments import BASE64_CHARACTERS  # noqa: PLC0415
    from meshseek.interfaces.mcp.server import make_server  # noqa: PLC0415
    from meshseek.interfaces.mcp.tools import Tools  # noqa: PLC0415
    from meshseek.interfaces.mcp.wording import Reach  # noqa: PLC0415

    def tools_for(context: ServerRequestContext[Any, Any]) -> Tools:
        request = context.request
        assert isinstance(request, Request)
        client = Client("http://localhost", retries=0, transport=Inside(app, request.scope))
        needs_key = request.state.caller.key_id is not None
        return Tools(client, Reach(str(request.base_url).rstrip("/"), needs_key=needs_key))

    return StreamableHTTPSessionManager(
        make_server(tools_for, here=False),
        json_response=True,
        stateless=True,
        max_request_body_size=BASE64_CHARACTERS + 100_000,
    )
