"""Threads that work for coroutines; to hand work over to them takes a fifth of what it takes the framework's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")

IDLE_SECONDS: Final = 5.0
"""How long a thread waits for work. A process ends only after its threads, so that work is not lost unsaid."""


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
        self._is_closed = False
        self._threads = 0
        self._counting = Lock()
        self._under_way = 0
        """Jobs that have not ended; counted by the loop's own thread alone."""

    async def run(self, work: Callable[[], T]) -> T:
        """What some work gives, or raises, in a thread that sees the context variables of whoever asks.

        Whoever is cancelled waits no longer; work that has begun goes on, and what it gives is left.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        self._under_way += 1
        self._jobs.put(_Job(work, copy_context(), loop, outcome))
        with self._counting:  # after the job was put: a thread that ends meanwhile has seen it, or is not counted
            is_needed = self._threads < min(self._under_way, self._most)
            self._threads += is_needed
        if is_needed:
            try:
                Thread(target=self._work, name="search").start()
            except RuntimeError:  # the system has no more of them
                outcome.cancel()
                with self._counting:
                    self._threads -= 1
                raise
        return await outcome

    def close(self) -> None:
        """Let the threads end, each when its work has."""
        self._is_closed = True
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            given: object = None
            error: BaseException | None = None
            if not job.outcome.cancelled():
                try:
                    given = job.context.run(job.work)
                except StopIteration as raised:  # no future takes it
                    error = RuntimeError("the work ended with StopIteration")
                    error.__cause__ = raised
                except BaseException as raised:  # noqa: BLE001  # whoever waits gets it
                    error = raised
            with suppress(RuntimeError):  # the loop was closed: nobody waits
                job.loop.call_soon_threadsafe(self._end, job.outcome, given, error)
            del job, given, error  # or they would live until the next job

    def _next(self) -> _Job | None:
        """The next job; None where the thread is to end, and is no longer counted."""
        while True:
            job = None
            with suppress(Empty):
                job = self._jobs.get(timeout=IDLE_SECONDS)
            if job is not None:
                return job
            with self._counting:
                if self._is_closed or self._jobs.empty():
                    self._threads -= 1
                    return None

    def _end(self, outcome: asyncio.Future[Any], given: object, error: BaseException | None) -> None:
        self._under_way -= 1
        if outcome.done():  # it was cancelled meanwhile
            return
        if error is None:
            outcome.set_result(given)
        else:
            outcome.set_exception(error)
