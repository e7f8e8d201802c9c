"""Work spread over processes that never outlive their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from meshseek.errors import ServiceError
from meshseek.pipeline.stage import Outcome, Task, Work

T = TypeVar("T")

QUEUED_PER_WORKER = 16
"""Outcomes come in order, so a slow task must not leave the others without work."""


def in_processes(workers: int, function: Callable[[Task[T]], Outcome]) -> Work[T]:
    """Work on one task at a time in each of ``workers`` processes; outcomes come in the order of the tasks.

    Args:
        workers: How many processes.
        function: Picklable; its exceptions end the stage.

    Raises:
        ServiceError: A worker was killed, most often because memory ran out.
    """

    def work(tasks: Sequence[Task[T]]) -> Iterator[Outcome]:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context, initializer=follow_parent)
        try:
            waiting: deque[Future[Outcome]] = deque()
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) >= workers * QUEUED_PER_WORKER:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            message = "a worker process was killed, perhaps for want of memory; set MESHSEEK_WORKERS=1 and run again"
            raise ServiceError(message) from error
        finally:
            pool.shutdown(cancel_futures=True)

    return work


def follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end as soon as the parent is gone, even by kill -9."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
