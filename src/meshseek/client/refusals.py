"""What a service says instead of an answer, as an error."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

from meshseek.errors import ApiError

UNREACHABLE: Final = "unreachable"
TIMEOUT: Final = "timeout"
NOT_UNDERSTOOD: Final = "not_understood"
TOO_LARGE: Final = "too_large"
STATUS: Final = "status"
UNNAMED: Final = "unnamed"
"""Codes of ours, where the service gives none: the last two where something between answers, and an older Meshseek."""
UNAUTHORIZED: Final = "unauthorized"
NEEDS_KEY: Final = "this service needs a key; give one as in Client(url, key)"
NOT_OURS: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
"""Statuses of a server that has nothing of a Meshseek, where they are told in another form than a Meshseek's."""
LONGEST: Final = 2_000
"""Characters of a message."""


def refusal(url: str, status: int, body: bytes, *, has_key: bool = True) -> ApiError:
    """The error of an answer that is none.

    Args:
        url: Who answered.
        status: Of HTTP.
        body: The API's error as JSON, or whatever something between says.
        has_key: Whether a key, or a name and a password, was sent.
    """
    try:
        told = json.loads(body)["error"]
        code, message, number = told.get("code", UNNAMED), told["message"], told.get("request_id")
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        code, message, number = None, None, None
    if not isinstance(message, str) or not isinstance(code, str):
        text = f"{url} answered with HTTP {status}, and not as a Meshseek does; check the address, or what is between"
        return ApiError(text, code=NOT_UNDERSTOOD if status in NOT_OURS else STATUS, status=status)
    if code == UNAUTHORIZED and not has_key:  # the service says how it is sent, which this does
        message = NEEDS_KEY
    shown = message if len(message) <= LONGEST else f"{message[:LONGEST]} ..."
    return ApiError(shown, code=code, status=status, request_id=number if isinstance(number, str) else None)
