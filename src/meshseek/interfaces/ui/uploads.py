"""Pictures that visitors upload: few at a time, bounded in all, and soon gone again."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections import OrderedDict
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import BinaryIO
from uuid import uuid4

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from meshseek.interfaces.ui.bodies import CLOSE, chunks
from meshseek.interfaces.ui.visitors import Rooms, Visitor

UPLOAD = "/gradio_api/upload"
PICTURE_BYTES = 30_000_000
"""Above what the API takes, so that the API's own sentence is shown for pictures that are only a little too large."""
FORM_BYTES = 10_000
"""What a form has beside its picture."""
UPLOAD_SECONDS = 60
UPLOADS_AT_ONCE = 8
KEPT_BYTES = 300_000_000
KEPT_SECONDS = 30 * 60
CLEAN_SECONDS = 60
ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
BUSY = "Too many pictures are being uploaded; please try again in a moment."


class Uploads:
    """Takes pictures into the rooms of their visitors; the oldest go when all of them take too much room.

    Args:
        rooms: Where they are kept.
        limit: Bytes that all of them together may take.
    """

    def __init__(self, rooms: Rooms, limit: int = KEPT_BYTES) -> None:
        self._rooms = rooms
        self._limit = limit
        self._kept: OrderedDict[Path, tuple[float, int]] = OrderedDict()
        self._lock = Lock()
        self._under_way = anyio.CapacityLimiter(UPLOADS_AT_ONCE)

    async def take(self, request: Request, visitor: Visitor) -> list[str]:
        """Keep the one picture of a form; the value is its path.

        Raises:
            HTTPException: The form is too large or slow, holds something else, or too many come at a time.
        """
        try:
            self._under_way.acquire_on_behalf_of_nowait(request)
        except anyio.WouldBlock:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, {**CLOSE, "Retry-After": "5"}) from None
        try:
            return [str(await self._taken(request, visitor))]
        except OSError as error:
            text = f"the picture cannot be kept: {os.strerror(error.errno or 0)}"
            raise HTTPException(HTTPStatus.INSUFFICIENT_STORAGE, text, CLOSE) from error
        finally:
            self._under_way.release_on_behalf_of(request)

    async def clean_regularly(self) -> None:
        """Remove what is old, until cancelled."""
        while True:
            await asyncio.sleep(CLEAN_SECONDS)
            await run_in_threadpool(self.clean, time.monotonic())

    def clean(self, now: float) -> None:
        """Remove what was uploaded too long ago."""
        with self._lock:
            for path in [path for path, (taken, _) in self._kept.items() if now - taken > KEPT_SECONDS]:
                self._remove(path)

    async def _taken(self, request: Request, visitor: Visitor) -> Path:
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise HTTPException(HTTPStatus.BAD_REQUEST, "send a form with a picture", CLOSE)
        stream = chunks(request, PICTURE_BYTES + FORM_BYTES, UPLOAD_SECONDS)
        parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=0)  # type: ignore[arg-type]
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"this form cannot be taken: {error.message}", CLOSE) from error
        except UnicodeError as error:  # it names an encoding of its own for the file's name
            raise HTTPException(HTTPStatus.BAD_REQUEST, "this form cannot be taken: send it as UTF-8", CLOSE) from error
        try:
            sent = form.get("files")
            if not isinstance(sent, UploadFile):
                raise HTTPException(HTTPStatus.BAD_REQUEST, "send a form with a picture")
            return await run_in_threadpool(self._keep, sent.file, sent.size or 0, sent.filename or "", visitor)
        finally:
            await form.close()

    def _keep(self, content: BinaryIO, size: int, name: str, visitor: Visitor) -> Path:
        ending = Path(name).suffix.lower()
        path = self._rooms.uploads / visitor.room / uuid4().hex / f"picture{ending if ending in ENDINGS else ''}"
        with self._lock:
            total = sum(size for _, size in self._kept.values()) + size
            while total > self._limit and self._kept:
                total -= self._remove(next(iter(self._kept)))
            path.parent.mkdir(parents=True)
            self._kept[path] = (time.monotonic(), size)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        return path

    def _remove(self, path: Path) -> int:
        """Remove a file, and the folders that are empty then; the value is its size."""
        _, size = self._kept.pop(path)
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()
            path.parent.parent.rmdir()
        return size
