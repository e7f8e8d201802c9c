"""Errors as answers: one form, a status that says whose mistake it is, never a stack trace."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.errors import BusyError, HostedItemError, InputError, MeshseekError, NotFoundError, NotPublishedError
from meshseek.images import MAX_IMAGE_BYTES

RETRY_SECONDS = "1"
log = logging.getLogger(__name__)


def add_error_handlers(app: FastAPI) -> None:
    """Make every failure of the app an :class:`~meshseek.interfaces.http.schemas.ErrorAnswer`."""
    app.add_exception_handler(MeshseekError, _deliberate)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


class TooLargeAsJson:
    """Gives the server's plain-text 413 the form of every other error."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but the plain text."""
        started: Message | None = None

        async def send_as_json(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                started = message
            elif started is None:
                await send(message)
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                limit = f"{MAX_IMAGE_BYTES // 1_000_000} MB"
                text = f"the request is too large; send a picture of at most {limit}, and less without a picture"
                await _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text)(scope, receive, send)

        await self.app(scope, receive, send_as_json)


def status_of(error: MeshseekError) -> HTTPStatus:
    """4xx for the caller's mistakes, 503 for ours."""
    if isinstance(error, NotFoundError):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, NotPublishedError):
        return HTTPStatus.CONFLICT
    callers = isinstance(error, InputError | HostedItemError)
    return HTTPStatus.UNPROCESSABLE_ENTITY if callers else HTTPStatus.SERVICE_UNAVAILABLE


def _deliberate(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MeshseekError)
    status = status_of(error)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("%s", error)
    name = type(error).__name__.removesuffix("Error")
    answer = _answer(status, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), str(error))
    if isinstance(error, BusyError):
        answer.headers["Retry-After"] = RETRY_SECONDS
    return answer


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"{place}: {first['msg']}" if place else first["msg"])


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    answer = _answer(status, status.name.lower(), str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _unforeseen(_: Request, error: Exception) -> JSONResponse:
    log.error("unforeseen error", exc_info=error)
    message = "something went wrong on our side; the server's log says what"
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", message)


def _answer(status: HTTPStatus, code: str, message: str) -> JSONResponse:
    # A message may quote what was sent, and half a character cannot be sent back.
    sendable = message.encode(errors="replace").decode()
    return JSONResponse({"error": {"code": code, "message": sendable}}, status_code=status)
