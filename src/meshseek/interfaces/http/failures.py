"""Errors as answers: one form, a status that says whose mistake it is, never a stack trace."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
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
from meshseek.interfaces.filter_form import wrong_filters
from meshseek.interfaces.http.request_ids import request_id

RETRY_SECONDS = "1"
_MEGABYTES = MAX_IMAGE_BYTES // 1_000_000
LONGEST = 1_000
"""Characters of a message, which may quote what was sent."""
JSON_TYPE = "application/json"
_PLAIN = {
    HTTPStatus.BAD_REQUEST: ("bad_request", "the header Range cannot be read; write bytes=0-99, or leave it out"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "too_large",
        f"the request is too large; send a picture of at most {_MEGABYTES} MB, and less without a picture",
    ),
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: (
        "range_not_satisfiable",
        "the file is shorter than the part that the header Range asks for",
    ),
}
"""Our words for what the framework refuses: a part of a file that cannot be had, and a body that is too large."""
log = logging.getLogger(__name__)


def add_error_handlers(app: FastAPI) -> None:
    """Make every failure of the app an :class:`~meshseek.interfaces.http.schemas.ErrorAnswer`."""
    app.add_exception_handler(MeshseekError, _deliberate)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, unforeseen)


class PlainAsJson:
    """Gives the refusals of the framework, most of them plain text, the form and the words of every other error."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but the plain text."""
        refusal: JSONResponse | None = None

        async def send_as_json(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start":
                refusal = _in_our_form(message)
            if refusal is None:
                await send(message)
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                await refusal(scope, receive, send)

        await self.app(scope, receive, send_as_json)


def _in_our_form(message: Message) -> JSONResponse | None:
    """What is said instead of an answer that begins so; None where it is in our words, or is no refusal."""
    headers = Headers(raw=message["headers"])
    words = _PLAIN.get(message["status"])
    is_json = headers.get("content-type", "text/plain").startswith(JSON_TYPE)
    if words is None or (is_json and message["status"] != HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        return None
    answer = error_answer(HTTPStatus(message["status"]), *words)
    if "content-range" in headers:
        answer.headers["Content-Range"] = headers["content-range"]
    return answer


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


def refusal(scope: Scope, error: MeshseekError) -> JSONResponse:
    """The answer to a request that failed for a reason that we know."""
    status = status_of(error)
    if error.general is not None or status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("%s", error)
    name = type(error).__name__.removesuffix("Error")
    message = str(error) if sees_details(scope) else error.in_general
    answer = error_answer(status, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), message)
    if isinstance(error, BusyError):
        answer.headers["Retry-After"] = RETRY_SECONDS
    return answer


def _deliberate(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MeshseekError)
    return refusal(request.scope, error)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return error_answer(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", _wrong(error.errors()))


def _wrong(errors: Sequence[Mapping[str, Any]]) -> str:
    """The first thing that is wrong with what was sent, in one sentence."""
    first = errors[0]
    parts = [str(part) for part in first["loc"] if part != "body"]
    within = first["loc"][1:] if first["loc"][:1] == ("body",) else None
    if within == () or (within and first["type"] == "json_invalid" and isinstance(within[0], int)):
        where = f" at character {parts[0]}" if parts else ""
        return f"the body is no JSON object{where}; send one, with the header 'Content-Type: {JSON_TYPE}'"
    place = ".".join(parts)
    return wrong_filters(errors) or (f"{place}: {first['msg']}" if place else str(first["msg"]))


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code, message = status.name.lower(), str(error.detail)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # told while the body is read, where its length was not declared
        code, message = _PLAIN[status]
    answer = error_answer(status, code, message)
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
    if len(sendable) > LONGEST:
        sendable = f"{sendable[:LONGEST]} ..."
    body = {"code": code, "message": sendable, "request_id": request_id.get()}
    return JSONResponse({"error": body}, status_code=status, headers={"X-Content-Type-Options": "nosniff"})
