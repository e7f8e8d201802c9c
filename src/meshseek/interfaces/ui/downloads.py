"""What the page's links and pictures lead to: tiles, models, and the basket as a zip; asked of the API when needed."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from meshseek.errors import MeshseekError, ServiceError
from meshseek.interfaces.ui.asset_panel import STRIP
from meshseek.interfaces.ui.basket import LONGEST_ID, MOST_TAKEN, USES
from meshseek.interfaces.ui.blocks import client_of, wording_of
from meshseek.interfaces.ui.bodies import read_body
from meshseek.interfaces.ui.client import ApiClient, coded
from meshseek.interfaces.ui.files import FileCache, Pictures
from meshseek.interfaces.ui.routes import MODELS, TILES, ZIP
from meshseek.interfaces.ui.tiles_shown import DENSE, SMALL
from meshseek.interfaces.ui.visitors import Visitor

SIDES: Final = frozenset({STRIP, SMALL})
NONE: Final = "none"
"""Stands for a view where there is none."""
KEPT: Final = {"Cache-Control": "private, max-age=3600"}
FORM_BYTES, FORM_SECONDS = 4 * MOST_TAKEN * LONGEST_ID, 20
ZIP_BYTES: Final = 2_000_000_000
ZIPS_AT_ONCE: Final = 2
"""As many lie on the disk at a time."""
BUSY: Final = "Other baskets are being packed; please try again in a moment."
GLB: Final = "model/gltf-binary"
WEBP: Final = "image/webp"


def add_downloads(app: FastAPI, client: ApiClient, cache: FileCache) -> None:
    """Add the routes.

    Args:
        app: The page.
        client: The API.
        cache: Where tiles and models are kept.
    """

    def pictures(request: Request) -> Pictures:
        visitor: Visitor = request.state.visitor
        return Pictures(client_of(client, visitor), cache, visitor.room, dense=DENSE in request.cookies)

    @app.api_route(TILES + "{path:path}", methods=["GET", "HEAD"])
    def tile(request: Request, path: str, side: int = SMALL) -> Response:
        if side not in SIDES:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no tile of this size")
        url = None if path == NONE else _asked(request, TILES)
        made = pictures(request).tile(url, side)
        if made.is_asked:
            return _kept(request, made.path, WEBP)
        return FileResponse(made.path, media_type=WEBP, headers={"Cache-Control": "no-store"})

    @app.api_route(MODELS + "{path:path}", methods=["GET", "HEAD"])
    def model(request: Request, path: str) -> Response:
        if not path.endswith("/model"):
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such model")
        file = _told(request, lambda: pictures(request).glb(_asked(request, MODELS)))
        return _kept(request, file, GLB)

    _add_zips(app, client, cache.folder)


def _add_zips(app: FastAPI, client: ApiClient, folder: Path) -> None:
    packing = anyio.CapacityLimiter(ZIPS_AT_ONCE)

    @app.post(ZIP)
    async def basket(request: Request) -> Response:
        given = parse_qs((await read_body(request, FORM_BYTES, FORM_SECONDS)).decode("utf-8", "replace"))
        ids, use = given.get("id", [])[:MOST_TAKEN], given.get("use", [""])[0]
        if not ids:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, wording_of(request)("basket.empty"))
        own = client_of(client, request.state.visitor)
        try:
            packing.acquire_on_behalf_of_nowait(request)
        except anyio.WouldBlock:
            text = wording_of(request).failure(coded(ServiceError(BUSY), "busy"))
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, text, {"Retry-After": "5"}) from None
        file = folder / f"{uuid4().hex}.zip"

        def done() -> None:
            file.unlink(missing_ok=True)
            packing.release_on_behalf_of(request)

        def ask() -> None:
            own.collect(ids, use if use in USES else None, file, ZIP_BYTES)

        try:
            await run_in_threadpool(_told, request, ask)
        except BaseException:
            done()
            raise
        return _Once(file, done)


class _Once(FileResponse):
    """A zip that is gone when it is sent, or when nobody takes it any longer.

    Args:
        file: The zip.
        done: Called then.
    """

    def __init__(self, file: Path, done: Callable[[], None]) -> None:
        super().__init__(file, media_type="application/zip", filename="meshseek.zip")
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._done()


def _asked(request: Request, prefix: str) -> str:
    """The API's address that was asked for, below ours, as it was written."""
    raw = request.scope.get("raw_path") or request.url.path.encode()
    path = "/" + urlsplit(raw.decode("ascii", "replace")).path.removeprefix(prefix)
    pairs = [pair for pair in request.url.query.split("&") if pair and not pair.startswith("side=")]
    if not path.startswith("/assets/") or ".." in unquote(path).split("/"):
        raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such file")
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def _told(request: Request, ask: Callable[[], Any]) -> Any:
    """What asking brings; a failure is one sentence."""
    try:
        return ask()
    except MeshseekError as error:
        raise HTTPException(HTTPStatus.BAD_GATEWAY, wording_of(request).failure(error)) from error


def _kept(request: Request, file: Path, kind: str) -> Response:
    """A file that browsers may keep; nothing where they have it."""
    answer = FileResponse(file, media_type=kind, headers=KEPT, stat_result=file.stat())
    if request.headers.get("if-none-match") == answer.headers["etag"]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**KEPT, "ETag": answer.headers["etag"]})
    return answer
