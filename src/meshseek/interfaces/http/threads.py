"""Threads that work for coroutines; to hand work over to them takes a fifth of what it takes the framework's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _Job(NamedTuple):
    work: Callable[[], Any]
    context: Context
    loop: asyncio.AbstractEventLoop
    outcome: asyncio.Future[Any]


class Threads:
    """As many as there is work for at a time, up to a bound; they belong to one event loop.

    Args:
        most: How many there may be. More work waits.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._under_way = 0
        """Jobs that have not ended; counted, like the threads, by the loop's own thread alone."""

    async def run(self, work: Callable[[], T]) -> T:
        """What some work gives, or raises, in a thread that sees the context variables of whoever asks.

        Whoever is cancelled waits no longer; work that has begun goes on, and what it gives is left.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        self._under_way += 1
        if len(self._threads) < min(self._under_way, self._most):
            thread = Thread(target=self._work, name="search", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._jobs.put(_Job(work, copy_context(), loop, outcome))
        return await outcome

    def close(self) -> None:
        """Let the threads end, each when its work has."""
        for _ in self._threads:
            self._jobs.put(None)
        self._threads.clear()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            given, error = None, None
            if not job.outcome.cancelled():
                try:
                    given = job.context.run(job.work)
                except BaseException as raised:  # noqa: BLE001  # whoever waits gets it
                    error = raised
            with suppress(RuntimeError):  # the loop was closed: nobody waits
                job.loop.call_soon_threadsafe(self._end, job.outcome, given, error)
            del job, given, error  # or they would live until the next job

    def _end(self, outcome: asyncio.Future[Any], given: object, error: BaseException | None) -> None:
        self._under_way -= 1
        if outcome.done():  # it was cancelled meanwhile
            return
        if error is None:
            outcome.set_result(given)
        else:
            outcome.set_exception(error)
