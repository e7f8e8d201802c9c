"""What a request spends its time on: spans with names, added up for the log and the metrics, and traced if wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

WAIT: Final = "wait"
"""For a turn, while other searches run."""
EMBED: Final = "embed"
"""The query becomes a vector; next to nothing where it is remembered."""
DATABASE: Final = "database"
"""Statements, and the wait for a connection."""
RERANK: Final = "rerank"
"""Another model looks at the first results."""
STAGES: Final = (WAIT, EMBED, DATABASE, RERANK)
"""Every name of a span."""

Tracer = Callable[[str, str], AbstractContextManager[object]]
"""Opens a span of a trace, with a name and what it is about."""


@dataclass(slots=True)
class Spent:
    """What was spent on one request so far. Its threads may share it: each span is of one thread."""

    seconds: dict[str, float] = field(default_factory=dict)
    """By stage."""
    algorithm: str | None = None
    """That was searched with."""
    tracer: Tracer | None = None
    """Makes the spans part of a trace; None where none is wanted."""


spent: ContextVar[Spent | None] = ContextVar("spent", default=None)
"""Of the request that this thread works on; None where nobody asks."""


class Span:
    """Time that is spent on one thing; a context manager.

    Args:
        name: One of :data:`STAGES`.
        about: What it is spent on, in words of our own such as the name of a statement: never what a user wrote.
    """

    __slots__ = ("_about", "_name", "_spent", "_started", "_traced")

    def __init__(self, name: str, about: str = "") -> None:
        self._name = name
        self._about = about

    def __enter__(self) -> Self:
        self._spent = spent.get()
        tracer = self._spent.tracer if self._spent is not None else None
        self._traced = tracer(self._name, self._about) if tracer else None
        if self._traced is not None:
            self._traced.__enter__()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._started
        if self._traced is not None:
            self._traced.__exit__(kind, error, trace)
        if (known := self._spent) is not None:
            known.seconds[self._name] = known.seconds.get(self._name, 0.0) + seconds
