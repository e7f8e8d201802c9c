"""The page as a web service of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from meshseek.interfaces.http.hosts import Hosts
from meshseek.interfaces.ui import PageOptions
from meshseek.interfaces.ui.blocks import build
from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.door import LEAD_BACK, Door
from meshseek.interfaces.ui.downloads import GLB, add_downloads
from meshseek.interfaces.ui.events import Events
from meshseek.interfaces.ui.files import FileCache
from meshseek.interfaces.ui.first import First
from meshseek.interfaces.ui.keys import Keys
from meshseek.interfaces.ui.layout import translations
from meshseek.interfaces.ui.refusals import refusal
from meshseek.interfaces.ui.routes import FILE, Routes
from meshseek.interfaces.ui.static import script, style
from meshseek.interfaces.ui.theme import theme
from meshseek.interfaces.ui.uploads import PICTURE_BYTES, UPLOAD, Uploads
from meshseek.interfaces.ui.viewer import neutral_environment
from meshseek.interfaces.ui.visitors import Rooms

STYLE = Path(__file__).with_name("style.css")


def create_app(options: PageOptions, folder: Path) -> FastAPI:
    """Make the web service.

    Args:
        options: What it is told.
        folder: A private folder for what the page shows and visitors upload.
    """
    rooms, keys = Rooms(folder), Keys(options.api_url)
    uploads, client, cache = Uploads(rooms), ApiClient(options.api_url), FileCache(rooms.shown)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        cleaning = asyncio.create_task(uploads.clean_regularly())
        yield
        cache.close()
        cleaning.cancel()
        with suppress(asyncio.CancelledError):
            await cleaning
        await keys.close()

    app = FastAPI(openapi_url=None, lifespan=lifespan)
    _add_routes(app, rooms, uploads)
    add_downloads(app, client, cache)
    blocks = build(client, cache, rooms)
    app.add_middleware(CORSMiddleware)  # with it Gradio adds none of its own, which lets every website ask
    app.add_middleware(Events, events=_events(blocks))
    door = {"host": options.host, "hosts": options.hosts, "insecure": options.insecure}
    app.add_middleware(Door, keys=keys, rooms=rooms, **door)  # type: ignore[arg-type]
    app.add_middleware(First, piece=LEAD_BACK + script())
    app.add_middleware(Routes)
    app.add_middleware(Hosts, hosts=options.hosts)
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=theme(),
        css_paths=STYLE,
        head=style(),
        i18n=translations(),
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        max_file_size=PICTURE_BYTES,
    )
    return app


def _add_routes(app: FastAPI, rooms: Rooms, uploads: Uploads) -> None:
    """What is answered in Gradio's place."""

    @app.post(UPLOAD)
    async def upload(request: Request) -> Response:
        return JSONResponse(await uploads.take(request, request.state.visitor))

    @app.api_route(FILE + "{path:path}", methods=["GET", "HEAD"])
    def file(request: Request, path: str) -> Response:
        mine = rooms.shown_to(request.state.visitor, path)
        if mine is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such file")
        kind = GLB if mine.suffix == ".glb" else None  # pictures are shown as what their names end in
        return FileResponse(mine, media_type=kind, headers={"Cache-Control": "private, max-age=3600"})

    if (light := neutral_environment()) is not None:
        name, module = light

        @app.api_route(f"/assets/{name}", methods=["GET", "HEAD"])
        def environment() -> Response:
            return Response(module, media_type="text/javascript", headers={"Cache-Control": "private, max-age=3600"})

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return refusal(error)


def _events(blocks: gr.Blocks) -> dict[int, int]:
    """How many values each event takes; those that only run in the browser are none here."""
    return {number: len(event.inputs) for number, event in blocks.fns.items() if event.fn is not None}
