"""The FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter, run_sync
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from meshseek import __version__
from meshseek.access.keys import ANYBODY
from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http import browsing, collecting, combined, routes, status
from meshseek.interfaces.http.access import REFUSED, add_access, close_access
from meshseek.interfaces.http.deadline import Deadline
from meshseek.interfaces.http.failures import PlainAsJson, add_error_handlers
from meshseek.interfaces.http.logs import write_logs
from meshseek.interfaces.http.observation import add_observation
from meshseek.interfaces.http.parameters import expect_known_parameters
from meshseek.interfaces.http.reference import add_reference
from meshseek.interfaces.http.subjects import TAGS
from meshseek.interfaces.http.text_searches import TextSearches
from meshseek.interfaces.http.threads import Threads
from meshseek.interfaces.http.upstream import Upstream
from meshseek.interfaces.http.work_left import work_left_of
from meshseek.interfaces.mcp.over_http import add_agents

THREADS = 160
"""More than all searches that may run or wait, so that none waits unseen, and whoever asks for health is answered."""
DESCRIPTION = """
Finds 3D assets by words in English or Chinese, or by a picture.

Unless something else is asked, a text is compared with captions, views and exact words together, a picture alone with
views. With `cross_modal` true, a text is compared with views and a picture with captions; with false, each with its own
kind alone. `target` names the comparison itself and wins: `caption`, `appearance`, `words` (exact words), or `both`,
which adds the standard scores of captions and of views, and for a text what exact words are worth.

A name that is not known is refused, in a body as in an address; `/live`, `/ready`, `/health` and `/metrics` take
whatever is added to their addresses.
"""


def create_app(meshseek: Meshseek | None = None) -> FastAPI:
    """Make the API.

    Args:
        meshseek: Everything it needs; None to read the settings.
    """
    if meshseek is None:
        meshseek = Meshseek()
        write_logs(meshseek.settings)

    threads = Threads(THREADS)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        meshseek.search_service.warm_up()
        await _warm_up(app)
        yield
        await app.state.agents.close()
        threads.close()
        one = CapacityLimiter(1)  # the other threads may all be busy
        await close_access(app, one)
        await run_sync(meshseek.close, limiter=one)

    app = FastAPI(
        title="Meshseek",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(expect_known_parameters)],
        responses=REFUSED,
        openapi_tags=TAGS,
        generate_unique_id_function=_name,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.meshseek = meshseek
    app.state.upstream = Upstream(meshseek.settings)
    app.state.work_left = work_left_of(meshseek)
    for each in (routes, combined, browsing, status, collecting):
        app.include_router(each.router)
    add_reference(app)
    add_agents(app)
    app.add_middleware(TextSearches, meshseek=meshseek, threads=threads)
    app.add_middleware(PlainAsJson)
    app.add_middleware(Deadline, seconds=meshseek.settings.request_seconds)
    add_access(app, meshseek)
    add_error_handlers(app)
    add_observation(app, meshseek)  # last, so that it is outermost: it sees every request, and every failure
    return app


def _name(route: APIRoute) -> str:
    """Of a route in the description, and so of a method in clients that are made of it: that of its function."""
    return route.name


async def _warm_up(app: FastAPI) -> None:
    """Send queries that will be refused: the first one builds the routes, which takes a tenth of a second."""
    app.openapi()  # takes as long, and the first one that names a parameter needs it

    async def ask_inside(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": {"caller": ANYBODY}}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(ask_inside), base_url="http://localhost") as client:
        for refused in ({}, {"query": ""}):
            await client.post("/search/text", json=refused)
