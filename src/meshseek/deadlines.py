"""Until when somebody waits for what a thread works on, so that it stops soon after nobody does."""

from __future__ import annotations

import time
from contextvars import ContextVar

from meshseek.errors import TooSlowError

TOO_SLOW = "it took too long; ask for less at once, or try again in a moment"

_ends: ContextVar[float | None] = ContextVar("deadline", default=None)
"""On the monotonic clock; None where there is no hurry. Threads take it over from the request that they work for."""


def set_deadline(seconds: float) -> None:
    """From now on, this task and the threads that it starts are waited for so many seconds."""
    _ends.set(time.monotonic() + seconds)


def seconds_left() -> float | None:
    """How long somebody still waits; None where there is no hurry, 0 where nobody does."""
    ends = _ends.get()
    return None if ends is None else max(0.0, ends - time.monotonic())


def check_deadline() -> None:
    """Stop where nobody waits any longer; called before each piece of work that may take a while.

    Raises:
        TooSlowError: Nobody does.
    """
    if seconds_left() == 0:
        raise TooSlowError(TOO_SLOW)
