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
from contextlib import contextmanager
from typing import TypeVar

from meshseek.pipeline.stage import Outcome, Task, Work

T = TypeVar("T")

QUEUED_PER_WORKER = 16
"""Outcomes come in order, so a slow task must not leave the others without work."""


def in_processes(workers: int, function: Callable[[Task[T]], Outcome], *, ahead: int = QUEUED_PER_WORKER) -> Work[T]:
    """Work on one task at a time in each of ``workers`` processes; outcomes come in the order of the tasks.

    A task during which its process is killed (by a crash, or for want of memory) is skipped. Which one it was is found
    by doing those that were waiting once more, each in a process of its own.

    Args:
        workers: How many processes; 0 to work in this one, which a crash would end.
        function: Picklable; its exceptions end the stage.
        ahead: Tasks that are under way or done for each process before their outcomes are taken.
    """

    def work(tasks: Sequence[Task[T]]) -> Iterator[Outcome]:
        if not workers:
            yield from map(function, tasks)
            return
        done = 0
        while done < len(tasks):
            try:
                for outcome in _pooled(workers, function, tasks[done:], workers * ahead):
                    done += 1
                    yield outcome
            except BrokenProcessPool:
                suspects = tasks[done : done + workers * ahead]
                for task in suspects:
                    done += 1
                    yield _alone(function, task)

    return work


def _pooled(
    workers: int, function: Callable[[Task[T]], Outcome], tasks: Sequence[Task[T]], most: int
) -> Iterator[Outcome]:
    with _pool(min(workers, len(tasks))) as pool:
        waiting: deque[Future[Outcome]] = deque()
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _alone(function: Callable[[Task[T]], Outcome], task: Task[T]) -> Outcome:
    try:
        with _pool(1) as pool:
            return pool.submit(function, task).result()
    except BrokenProcessPool:
        return Outcome(asset_id=task.asset_id, skipped="its process was killed, by a crash or for want of memory")


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=follow_parent)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end as soon as the parent is gone, even by kill -9."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
