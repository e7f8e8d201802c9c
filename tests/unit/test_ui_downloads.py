"""What links and pictures of the page lead to: for how long browsers keep it, and how much of it there is at a time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from meshseek.interfaces.ui import downloads
from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.downloads import ZIPS_AT_ONCE, add_downloads
from meshseek.interfaces.ui.files import FileCache
from meshseek.interfaces.ui.refusals import refusal
from meshseek.interfaces.ui.tiles_shown import DENSE
from meshseek.interfaces.ui.visitors import Visitor


def answer(request: httpx.Request) -> httpx.Response:
    """An API that has one picture, and zips."""
    if request.url.path == "/collect":
        return httpx.Response(200, content=b"PK" * 1000)
    if request.url.path != "/assets/good/views/0":
        return httpx.Response(503, json={"error": {"code": "busy", "message": "come back"}})
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    return httpx.Response(200, content=picture.getvalue())


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    """The routes alone."""
    app = FastAPI()
    add_downloads(app, ApiClient("http://api.test", httpx.MockTransport(answer)), FileCache(tmp_path))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return refusal(error)

    yield app
    assert list(tmp_path.glob("*.zip")) == []


@asynccontextmanager
async def visiting(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody Chinese."""

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": {"visitor": Visitor()}}, receive, send)

    headers = {"Accept-Language": "zh-CN"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(inside), base_url="http://p", headers=headers) as client:
        yield client


def test_browsers_keep_no_tile_in_place_of_another(app: FastAPI) -> None:
    """A picture that cannot be had now is asked for again; others are kept for an hour."""

    async def run() -> list[str]:
        async with visiting(app) as client:
            tiles = ("/tiles/assets/good/views/0", "/tiles/assets/bad/views/0", "/tiles/none")
            return [(await client.get(tile)).headers["cache-control"] for tile in tiles]

    assert asyncio.run(run()) == ["private, max-age=3600", "no-store", "private, max-age=3600"]


def test_dense_screens_have_larger_tiles(app: FastAPI) -> None:
    """By the browser's cookie; the small pictures of all views are large enough as they are."""

    async def run() -> list[int]:
        async with visiting(app) as client:
            tile, strip = ("/tiles/assets/good/views/0?side=192", "/tiles/assets/good/views/0?side=96")
            plain = [(await client.get(tile)).content]
            client.cookies.set(DENSE, "1")
            dense = [(await client.get(each)).content for each in (tile, strip)]
            return [Image.open(io.BytesIO(picture)).width for picture in plain + dense]

    assert asyncio.run(run()) == [192, 384, 96]


def test_a_few_zips_are_packed_at_a_time(app: FastAPI) -> None:
    """Whoever comes meanwhile is told to come back; one that somebody stops to take makes room."""
    full, leave = asyncio.Event(), asyncio.Event()
    scope = {"type": "http", "method": "POST", "path": "/basket.zip", "query_string": b"", "headers": []}
    begun: list[Message] = []

    async def posted() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": b"id=a", "more_body": False}
        await asyncio.Event().wait()

    async def send(message: Message) -> None:
        begun.append(message)
        if len(begun) == ZIPS_AT_ONCE:
            full.set()
        await leave.wait()
        raise OSError("nobody is there")

    async def run() -> None:
        bodies = [posted() for _ in range(ZIPS_AT_ONCE)]
        taking = [app({**scope, "state": {"visitor": Visitor()}}, partial(anext, body), send) for body in bodies]
        under_way = asyncio.gather(*taking, return_exceptions=True)
        await full.wait()
        async with visiting(app) as client:
            busy = await client.post("/basket.zip", data={"id": "a"})
            assert (busy.status_code, busy.text) == (503, "现在请求很多，请稍后再试。")
            leave.set()
            await under_way
            for _ in range(ZIPS_AT_ONCE + 1):
                assert (await client.post("/basket.zip", data={"id": "a"})).content[:2] == b"PK"

    asyncio.run(run())


def test_a_zip_that_is_too_large_is_told_as_one(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as a picture; and makes room."""
    monkeypatch.setattr(downloads, "ZIP_BYTES", 1999)

    async def run() -> None:
        async with visiting(app) as client:
            for _ in range(ZIPS_AT_ONCE + 1):
                told = await client.post("/basket.zip", data={"id": "a"})
                assert (told.status_code, told.text) == (502, "这些模型过大，无法打成一个压缩包，请分批下载。")

    asyncio.run(run())
