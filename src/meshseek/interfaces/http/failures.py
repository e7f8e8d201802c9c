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

from meshseek.errors import (
    BusyError,
    ForbiddenError,
    HostedItemError,
    InputError,
    MeshseekError,
    NotFoundError,
    NotPublishedError,
)
from meshseek.images import MAX_IMAGE_BYTES
from meshseek.interfaces.http.request_ids import request_id

RETRY_SECONDS = "1"
log = logging.getLogger(__name__)


def add_error_handlers(app: FastAPI) -> None:
    """Make every failure of the app an :class:`~meshseek.interfaces.http.schemas.ErrorAnswer`."""
    app.add_exception_handler(MeshseekError, _deliberate)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, unforeseen)


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
                await error_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text)(scope, receive, send)

        await self.app(scope, receive, send_as_json)


def status_of(error: MeshseekError) -> HTTPStatus:
    """4xx for the caller's mistakes, 503 for ours."""
    if isinstance(error, NotFoundError):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, ForbiddenError):
        return HTTPStatus.FORBIDDEN
    if isinstance(error, NotPublishedError):
        return HTTPStatus.CONFLICT
    callers = isinstance(error, InputError | HostedItemError)
    return HTTPStatus.UNPROCESSABLE_ENTITY if callers else HTTPStatus.SERVICE_UNAVAILABLE


def sees_details(scope: Scope) -> bool:
    """Whether whoever asks may read what is in the log: addresses, paths, what a service said.

    That takes a key: without one even on this machine somebody else may ask, and whoever started it sees the log.
    """
    caller = scope.get("state", {}).get("caller")
    return caller is not None and caller.name is not None and "admin" in caller.scopes


def _deliberate(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MeshseekError)
    status = status_of(error)
    if error.general is not None or status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("%s", error)
    name = type(error).__name__.removesuffix("Error")
    message = str(error) if sees_details(request.scope) else error.in_general
    answer = error_answer(status, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), message)
    if isinstance(error, BusyError):
        answer.headers["Retry-After"] = RETRY_SECONDS
    return answer


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    message = f"{place}: {first['msg']}" if place else first["msg"]
    return error_answer(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", message)


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    answer = error_answer(status, status.name.lower(), str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def unforeseen(_: Request | None, error: Exception) -> JSONResponse:
    """The answer to a mistake of ours, which the log tells of."""
    log.error("unforeseen error", exc_info=error)
    message = "something went wrong on our side; the server's log says what"
    return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", message)


def error_answer(status: HTTPStatus, code: str, message: str) -> JSONResponse:
    """An answer in the form of every error, with the id by which the log knows the request."""
    # A message may quote what was sent, and half a character cannot be sent back.
    sendable = message.encode(errors="replace").decode()
    body = {"code": code, "message": sendable, "request_id": request_id.get()}
    return JSONResponse({"error": body}, status_code=status, headers={"X-Content-Type-Options": "nosniff"})
