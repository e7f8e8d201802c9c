"""Work of coroutines in threads: what it gives or raises comes back, and who is cancelled waits for nothing."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from meshseek.interfaces.http.threads import Threads

seen: ContextVar[str] = ContextVar("seen", default="nothing")


def test_what_work_gives_and_raises_comes_back() -> None:
    """From another thread, which sees the context of whoever asks and changes nothing in it."""

    def failing() -> None:
        raise KeyError("lost")

    def looking() -> tuple[str, int]:
        before = seen.get()
        seen.set("changed")
        return before, threading.get_ident()

    async def asking() -> None:
        threads = Threads(2)
        seen.set("mine")
        told, thread = await threads.run(looking)
        assert (told, seen.get()) == ("mine", "mine")
        assert thread != threading.get_ident()
        with pytest.raises(KeyError, match="lost"):
            await threads.run(failing)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(threads.run(lambda: next(iter(()))), 20)
        threads.close()

    asyncio.run(asking())


def test_there_are_as_many_as_are_needed_up_to_a_bound() -> None:
    """One for work that comes one after the other; what comes at once waits where there are enough."""
    both = threading.Barrier(2)

    async def asking() -> None:
        threads = Threads(2)
        first = {await threads.run(threading.get_ident) for _ in range(20)}
        assert len(first) == 1

        meeting = [asyncio.ensure_future(threads.run(lambda: (both.wait(20), threading.get_ident()))) for _ in range(2)]
        waiting = asyncio.ensure_future(threads.run(lambda: (0, threading.get_ident())))
        told = {(await each)[1] for each in [*meeting, waiting]}
        assert len(told) == 2
        threads.close()

    asyncio.run(asking())


def test_who_is_cancelled_waits_no_longer() -> None:
    """Work that has begun goes on; work that has not is never begun; the thread does the next one."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    never: list[int] = []

    def work() -> None:
        begun.set()
        go_on.wait(20)
        ended.set()

    async def asking() -> None:
        threads = Threads(1)
        first = asyncio.ensure_future(threads.run(work))
        second = asyncio.ensure_future(threads.run(lambda: never.append(1)))
        await asyncio.to_thread(begun.wait, 20)
        for task in (first, second):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not ended.is_set()
        go_on.set()
        assert await threads.run(lambda: "next") == "next"
        assert ended.is_set()
        threads.close()

    asyncio.run(asking())
    assert never == []


def test_threads_end_when_they_are_closed() -> None:
    """Also where their loop is gone before their work is done."""
    begun, go_on = threading.Event(), threading.Event()
    working: list[threading.Thread] = []

    def work() -> None:
        working.append(threading.current_thread())
        begun.set()
        go_on.wait(20)

    async def asking() -> Threads:
        threads = Threads(1)
        task = asyncio.ensure_future(threads.run(work))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        return threads

    threads = asyncio.run(asking())
    threads.close()
    go_on.set()
    working[0].join(20)
    assert not working[0].is_alive()
