"""Models that are not in the workspace, passed on from ``BASE_URL``: from that host alone, and within bounds."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

import anyio
import httpx
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from meshseek.errors import BusyError, NotFoundError, ServiceError
from meshseek.settings import Settings

GLB = "model/gltf-binary"
CONNECTIONS, WAITING = 4, 12
"""Models that are passed on at a time, and requests that wait for their turn; more are told to come back."""
LOOKING = 4
"""Models that are asked after at a time, beside those that are passed on."""
REDIRECTS = 3
SILENCE = httpx.Timeout(10, connect=5)
"""Seconds that the other side may say nothing; the whole transfer has a bound of its own."""
AWAY = (TimeoutError, httpx.HTTPError, httpx.InvalidURL)
"""What a host leads to that does not answer."""
NOT_FETCHED = "the model cannot be fetched from MESHSEEK_BASE_URL; the server's log says why"
WITHOUT_HEAD = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
"""So answers a host that only sends whole models."""
_UNPACKED = {"Accept-Encoding": "identity"}
_DIGITS = 18
log = logging.getLogger(__name__)


class Upstream:
    """The host of models that the settings name.

    What it says goes to the log; a caller learns only that there is no model, or that the host fails.

    Args:
        settings: Its address, the most bytes of a model, and the most seconds for one.
    """

    def __init__(self, settings: Settings) -> None:
        self._base = None if settings.base_url is None else settings.base_url.rstrip("/")
        self.most_bytes = 1_000_000 * settings.base_url_megabytes
        self.seconds = settings.base_url_seconds
        self.turns = anyio.CapacityLimiter(CONNECTIONS)
        self.looking = anyio.CapacityLimiter(LOOKING)
        self._trusted = True if self._base is None else httpx.create_ssl_context()  # takes a tenth of a second

    def client(self) -> httpx.AsyncClient:
        """What asks the host, once for each model."""
        return httpx.AsyncClient(timeout=SILENCE, headers=_UNPACKED, verify=self._trusted)

    def model(self, key: str) -> PassedOn:
        """A model as an answer, which asks for it when it is sent.

        Args:
            key: Path of the file below ``BASE_URL``.

        Raises:
            NotFoundError: No host is named, or the key leads out of its folder.
        """
        return PassedOn(self, self.address(key))

    def address(self, key: str) -> str:
        """Where a model is.

        Raises:
            NotFoundError: No host is named, or the key leads out of its folder.
        """
        if self._base is None or ".." in key.split("/"):
            raise NotFoundError("the model is not in the workspace; set MESHSEEK_BASE_URL to fetch it")
        return f"{self._base}/{quote(key)}"

    @asynccontextmanager
    async def opened(self, client: httpx.AsyncClient, url: str) -> AsyncIterator[Opened]:
        """A model that is there, of which nothing was read yet; to be asked for within a turn and in bounded time.

        Raises:
            NotFoundError: There is no such model, or it is too large.
            ServiceError: The host does not answer as it should.
            httpx.HTTPError: Nor at all.
        """
        answer = await self._asked(client, "GET", url)
        try:
            yield Opened(self._length(answer), self._content(answer))
        finally:
            await answer.aclose()

    async def size(self, client: httpx.AsyncClient, url: str) -> int | None:
        """Bytes that the host says a model has; None where it does not say. It raises what :meth:`opened` does."""
        answer = await self._asked(client, "HEAD", url)
        await answer.aclose()
        if answer.status_code in WITHOUT_HEAD:
            async with self.opened(client, url) as model:
                return model.size
        return self._length(answer)

    async def _asked(self, client: httpx.AsyncClient, method: str, url: str) -> httpx.Response:
        request = client.build_request(method, url)
        for _ in range(1 + REDIRECTS):
            answer = await client.send(request, stream=True)
            if answer.next_request is None:
                return answer
            await answer.aclose()
            if not _may_follow(request.url, answer.next_request.url):
                raise ServiceError(f"a redirect leads to another host, {answer.next_request.url.host}")
            request = answer.next_request
        raise ServiceError(f"more than {REDIRECTS} redirects")

    async def _content(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in answer.aiter_raw():
            size += len(chunk)
            if size > self.most_bytes:
                raise ServiceError(f"the model has more than {self.most_bytes:,} bytes")
            yield chunk

    def _length(self, answer: httpx.Response) -> int | None:
        if answer.status_code != HTTPStatus.OK:
            raise NotFoundError(f"the model is not at MESHSEEK_BASE_URL (HTTP {answer.status_code})")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise ServiceError("it packs what was asked for unpacked")
        told = answer.headers.get("Content-Length", "")
        length = int(told) if told.isascii() and told.isdigit() and len(told) <= _DIGITS else None
        if length is not None and length > self.most_bytes:
            raise NotFoundError(
                f"the model at MESHSEEK_BASE_URL has {length / 1e6:,.0f} MB; "
                f"MESHSEEK_BASE_URL_MEGABYTES allows {self.most_bytes // 1_000_000:,}"
            )
        return length


class Opened(NamedTuple):
    """A model at the host."""

    size: int | None
    """Bytes that the host says it has; None where it does not say."""
    content: AsyncIterator[bytes]
    """In parts; bounded, and an error where it is longer."""


class PassedOn(StreamingResponse):
    """A body that comes from elsewhere, and ends in time however slow either side is."""

    media_type = GLB

    def __init__(self, upstream: Upstream, url: str) -> None:
        super().__init__(())
        self._upstream = upstream
        self._url = url
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask and pass on.

        What fails once the answer has begun leaves it unfinished: then the server closes the connection.

        Raises:
            NotFoundError: There is no such model, or it is too large.
            ServiceError: The host does not answer in time, or not as it should.
            BusyError: Too many models are asked for at once.
        """
        turns = self._upstream.turns
        if turns.statistics().tasks_waiting >= WAITING:
            raise BusyError("too many models are being fetched; try again in a second")
        try:
            with anyio.fail_after(self._upstream.seconds):
                async with (
                    turns,
                    self._upstream.client() as client,
                    self._upstream.opened(client, self._url) as model,
                ):
                    if model.size is not None:
                        self.headers["Content-Length"] = str(model.size)
                    self.body_iterator = model.content
                    self._has_begun = True
                    await super().__call__(scope, receive, send)
        except (*AWAY, ServiceError) as error:
            log.warning("a model cannot be passed on from MESHSEEK_BASE_URL: %s: %s", type(error).__name__, error)
            if not self._has_begun:
                raise ServiceError(NOT_FETCHED) from error


def _may_follow(here: httpx.URL, there: httpx.URL) -> bool:
    """Whether a redirect stays at its host and port, or takes it from http to https."""
    if there.host != here.host:
        return False
    same = (there.scheme, there.port) == (here.scheme, here.port)
    return same or (here.scheme, here.port, there.scheme, there.port) == ("http", None, "https", None)
