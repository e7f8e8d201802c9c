"""A zip of models that is made while it is sent: never whole in memory, and cut off where it cannot be finished."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import IO, BinaryIO, Final

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from meshseek.client.collected import MISSING_HEADER
from meshseek.collecting.credits import credits_of
from meshseek.collecting.notes import notes
from meshseek.collecting.zips import ZipParts
from meshseek.errors import BusyError, MeshseekError, ServiceError
from meshseek.interfaces.http.found_models import FoundModels
from meshseek.interfaces.http.upstream import AWAY, Upstream
from meshseek.model import PublishedAsset
from meshseek.untrusted.files import open_inside

ZIP = "application/zip"
NAME = "meshseek-assets.zip"
PART_BYTES: Final = 1 << 18
"""Read and sent at a time."""
MOST_SECONDS: Final = 3600.0
"""For a whole zip, however slowly it is taken."""
MOST_AT_ONCE: Final = 16
"""Zips that are sent at a time by one process."""
log = logging.getLogger(__name__)


class CollectedZip(Response):
    """Models and their attribution.

    Args:
        asset_ids: In the order of the basket.
        assets: Those of them that are there.
        uses: What they are for.
        upstream: The host of the models that are not in the workspace.
        find: Looks where the models are, once it is sure that they may be sent.
    """

    media_type = ZIP
    _sent_now = 0

    def __init__(
        self,
        asset_ids: Sequence[str],
        assets: Mapping[str, PublishedAsset],
        uses: Sequence[str],
        upstream: Upstream,
        find: Callable[[], Awaitable[FoundModels]],
    ) -> None:
        super().__init__()
        del self.headers["Content-Length"]
        self.headers["Content-Disposition"] = f'attachment; filename="{NAME}"'
        self._asset_ids = asset_ids
        self._assets = assets
        self._uses = uses
        self._upstream = upstream
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look where the models are, and send it.

        What fails once it has begun leaves it unfinished: then the server closes the connection, and the client has
        neither the end of the answer nor that of the zip.

        Raises:
            BusyError: Too many are looked for or sent.
            BasketError: The models are too much for one zip.
            ServiceError: The host of models does not answer as it should.
        """
        del scope
        if CollectedZip._sent_now >= MOST_AT_ONCE:
            raise BusyError("too many zips are being sent; try again in a minute")
        CollectedZip._sent_now += 1
        try:
            self._take(await self._find())
            async with anyio.create_task_group() as tasks:

                async def watch() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    tasks.cancel_scope.cancel()

                tasks.start_soon(watch)
                await self._begin(send)
                tasks.cancel_scope.cancel()
        finally:
            CollectedZip._sent_now -= 1

    def _take(self, found: FoundModels) -> None:
        """Get ready to send what was found."""
        credits_ = credits_of(self._asset_ids, self._assets, found.missing)
        self._credits = [credit for credit in credits_ if credit.missing is None]
        self._notes = notes(credits_, self._uses)
        self._found = found
        self._left = found.most_bytes
        self.headers[MISSING_HEADER] = str(len(credits_) - len(self._credits))

    async def _begin(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": self.raw_headers})
        try:
            with anyio.fail_after(MOST_SECONDS):
                await self._send_all(send)
        except (*AWAY, OSError, MeshseekError) as error:
            log.warning("a zip of models is left unfinished: %s: %s", type(error).__name__, error)

    async def _send_all(self, send: Send) -> None:
        parts = ZipParts()
        for name, content in self._notes.items():
            parts.add(name, content)
        for credit in self._credits:
            asset_id, size = credit.asset_id, self._found.sizes.get(credit.asset_id)
            with parts.file(credit.file, size) as entry:
                if asset_id in self._found.here:
                    await self._send_file(self._found.here[asset_id], entry, parts, send)
                else:
                    await self._pass_on(self._found.there[asset_id], entry, parts, send)
        await send({"type": "http.response.body", "body": parts.end(), "more_body": False})

    async def _send_file(self, path: Path, entry: IO[bytes], parts: ZipParts, send: Send) -> None:
        file: BinaryIO = await run_in_threadpool(open_inside, path, self._found.root)
        with file:
            while data := await run_in_threadpool(file.read, PART_BYTES):
                await self._send_part(data, entry, parts, send)

    async def _pass_on(self, url: str, entry: IO[bytes], parts: ZipParts, send: Send) -> None:
        upstream = self._upstream
        with anyio.fail_after(upstream.seconds):
            async with upstream.turns, upstream.client() as client, upstream.opened(client, url) as model:
                async for data in model.content:
                    await self._send_part(data, entry, parts, send)

    async def _send_part(self, data: bytes, entry: IO[bytes], parts: ZipParts, send: Send) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise ServiceError("its models have more bytes than MESHSEEK_COLLECT_MEGABYTES allows")
        entry.write(data)
        await send({"type": "http.response.body", "body": parts.taken(), "more_body": True})
