"""The id of each request: in every line of the log that it causes, in its answer, and in what goes wrong with it."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from typing import Final

HEADER: Final = "X-Request-ID"
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that this thread or task works on; None outside of all requests."""
_SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
"""What a proxy may hand on: nothing that could be taken for another line or field of a log."""


def id_for(given: str | None) -> str:
    """The id of a request: the one that came with it, where that is a plain word, or a new one."""
    return given if given is not None and _SANE.fullmatch(given) else secrets.token_hex(8)
