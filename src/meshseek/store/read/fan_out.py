"""Asks several parts of a library at the same time, and waits no longer than somebody waits for the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as LateError
from contextvars import copy_context
from typing import TypeVar

from meshseek.deadlines import TOO_SLOW, check_deadline, seconds_left
from meshseek.errors import TooSlowError
from meshseek.spans import DATABASE, Span, spent

T = TypeVar("T")


class PartFailedError(Exception):
    """One part does not do what the others do; the cause says why.

    Args:
        number: Of the part.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def ask_all(executors: Sequence[Executor], asks: Mapping[int, Callable[[], T]]) -> dict[int, T]:
    """What each part says, by number.

    Args:
        executors: Of each part, so that one that is late keeps the threads of no other.
        asks: Ask the parts.

    Raises:
        PartFailedError: One of them fails, or is late.
        TooSlowError: Nobody waits any longer.
    """
    check_deadline()
    with Span(DATABASE, "shards"):
        futures: dict[int, Future[T]] = {}
        try:
            for number, ask in asks.items():
                futures[number] = executors[number].submit(copy_context().run, _unseen, ask)
            return {number: _told(number, future) for number, future in futures.items()}
        finally:
            for future in futures.values():  # where one has failed, nobody waits for the others
                future.cancel()


def _unseen(ask: Callable[[], T]) -> T:
    """Ask; its time is that of whoever waits for all parts, and is not added up."""
    spent.set(None)
    return ask()


def _told(number: int, future: Future[T]) -> T:
    try:
        return future.result(seconds_left())
    except LateError:
        raise PartFailedError(number) from TooSlowError(TOO_SLOW)
    except Exception as error:
        raise PartFailedError(number) from error
