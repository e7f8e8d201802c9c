"""Reading what visitors send: no more than so many bytes, and no longer than so many seconds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from http import HTTPStatus

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

CLOSE = {"Connection": "close"}
"""What is still under way is not waited for."""
IDLE_SECONDS = 10
"""How long a sender may be silent."""


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """The whole body.

    Raises:
        HTTPException: It is too large (413) or takes too long (408).
    """
    return b"".join([chunk async for chunk in chunks(request, most, seconds)])


async def chunks(request: Request, most: int, seconds: float) -> AsyncIterator[bytes]:
    """The body in parts as they come; a length that is announced is believed, and nothing is read where it is too much.

    Args:
        request: Whose body.
        most: Bytes.
        seconds: For all of it.

    Raises:
        HTTPException: It is too large (413) or takes too long (408).
    """
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:20]) > most:
        raise too_large(most)
    size, ends = 0, time.monotonic() + seconds
    while True:
        try:
            with anyio.fail_after(min(IDLE_SECONDS, max(0.0, ends - time.monotonic()))):
                message = await request.receive()
        except TimeoutError as error:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "what was sent came too slowly", CLOSE) from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body = message.get("body", b"")
        size += len(body)
        if size > most:
            raise too_large(most)
        yield body
        if not message.get("more_body"):
            return


def too_large(most: int) -> HTTPException:
    """What is answered where more is sent than is taken."""
    text = f"this is more than the {most / 1e6:.3g} MB that are taken"
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, CLOSE)
