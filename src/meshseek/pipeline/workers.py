"""Work spread over processes that never outlive their parent, and take no more for an asset than agreed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Condition, Lock
from typing import TYPE_CHECKING, Protocol, TypeVar

from meshseek.errors import ServiceError
from meshseek.pipeline.engines import EngineOptions
from meshseek.pipeline.engines.local import Local
from meshseek.pipeline.stage import Outcome, Task
from meshseek.pipeline.worker_process import WorkerDied, WorkerLate, WorkerProcess
from meshseek.processors import usable_processors

if TYPE_CHECKING:
    from meshseek.pipeline.engines import Engine

T = TypeVar("T")

Bounds = tuple[float, int | None]
"""Seconds and bytes, as in :class:`Workers`."""
QUEUED_PER_WORKER = 16
"""Outcomes come in order, so a slow task must not leave the others without work."""
ASSET_SECONDS = 120.0
HERE = Local(EngineOptions())
LEAST_MEMORY = 2 << 30
MEMORY_SHARE = 0.75
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Workers:
    """How many processes work, and what each may take for one asset."""

    count: int
    """0 to work in this process, which nothing then bounds."""
    seconds: float = ASSET_SECONDS
    """A process that takes longer for an asset is killed."""
    memory: int | None = None
    """Bytes of one process, its own beginnings included; None for three quarters of the machine's, shared evenly."""
    engine: Engine = HERE
    """What has the work done, by such processes or elsewhere."""

    @classmethod
    def of(cls, workers: Workers | int) -> Workers:
        """So many with the usual bounds, or what is given."""
        return cls(workers) if isinstance(workers, int) else workers

    @classmethod
    def within(cls, bounds: Bounds, count: int) -> Workers:
        """So many on another machine, where others may work beside them."""
        seconds, memory = bounds
        share = int(MEMORY_SHARE * machine_memory() / max(count, usable_processors()))
        return cls(count, seconds, memory or max(LEAST_MEMORY, share))

    @property
    def bounds(self) -> Bounds:
        """What each may take for an asset, wherever it is."""
        return self.seconds, self.memory

    @property
    def bytes_each(self) -> int:
        """What each process may take."""
        return self.memory or max(LEAST_MEMORY, int(MEMORY_SHARE * machine_memory() / max(1, self.count)))


class Tasks(Protocol[T]):
    """Tasks of which the number is known; they may be made one by one."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Task[T]]:
        """One after the other."""


def in_processes(
    workers: Workers | int,
    function: Callable[[Task[T]], Outcome],
    *,
    ahead: int = QUEUED_PER_WORKER,
    stay: bool = False,
) -> Callable[[Tasks[T]], Iterator[Outcome]]:
    """Work on one task at a time in each of the processes; outcomes come in the order of the tasks.

    A task that takes too long, or more memory than there is for it, is skipped. A task during which its process dies
    (by a crash, or because the machine ran out of memory, which may have been another's fault) is tried once more while
    nothing else runs, and skipped if that ends likewise.

    Args:
        workers: How many processes, and their bounds.
        function: Picklable; its exceptions end the stage.
        ahead: Tasks that are under way or done for each process before their outcomes are taken.
        stay: Whether the processes stay for what is to be done later, until this one ends.
    """
    bounds = Workers.of(workers)
    staying = ExitStack()  # as long as there is what is returned
    stayed: list[Callable[[Task[T]], Future[Outcome]]] = []

    def work(tasks: Tasks[T]) -> Iterator[Outcome]:
        if not bounds.count:
            yield from map(function, tasks)
            return
        if not len(tasks):
            return
        if stay and not stayed:
            stayed.append(staying.enter_context(_crew(bounds, function, bounds.count)))
        with nullcontext(stayed[0]) if stay else _crew(bounds, function, min(bounds.count, len(tasks))) as run:
            waiting: deque[Future[Outcome]] = deque()
            try:
                for task in tasks:
                    waiting.append(run(task))
                    if len(waiting) >= bounds.count * ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:  # those that stay would read on for nobody
                for future in waiting:
                    future.cancel()

    return work


@contextmanager
def _crew(
    bounds: Workers, function: Callable[[Task[T]], Outcome], count: int
) -> Iterator[Callable[[Task[T]], Future[Outcome]]]:
    """Processes, each with a thread here that waits for it, so that they go on while their outcomes are used."""
    crew = _Crew(bounds, function, count)
    threads = ThreadPoolExecutor(count)
    try:
        yield lambda task: threads.submit(crew.do, task)
    finally:
        crew.stop()
        threads.shutdown(cancel_futures=True)
        crew.close()


class _Crew:
    """Some processes that wait for tasks."""

    def __init__(self, bounds: Workers, function: Callable[[Task[T]], Outcome], count: int) -> None:
        self._bounds = bounds
        self._function = function
        self._gate = _Gate()
        self._lock = Lock()
        self._closed = False
        self._all: set[WorkerProcess] = set()
        self._idle: SimpleQueue[WorkerProcess | None] = SimpleQueue()
        for _ in range(count):
            self._idle.put(None)

    def do(self, task: Task[T]) -> Outcome:
        """Have a task done.

        Raises:
            ServiceError: No process can start.
            Exception: What the function raised.
        """
        try:
            with self._gate.shared():
                return self._once(task)
        except WorkerDied:
            pass
        try:
            with self._gate.alone():
                return self._once(task)
        except WorkerDied:
            return Outcome(asset_id=task.asset_id, skipped="its process was killed, by a crash or for want of memory")

    def _once(self, task: Task[T]) -> Outcome:
        worker = self._idle.get()
        try:
            if worker is None or not worker.is_ready:
                worker = self._started()
            return worker.do(task, self._bounds.seconds)
        except WorkerLate:
            reason = f"it took longer than {self._bounds.seconds:g} seconds; reduce it, or raise MESHSEEK_ASSET_SECONDS"
            return Outcome(asset_id=task.asset_id, skipped=reason)
        except MemoryError:
            most = f"{self._bounds.bytes_each / 1e6:,.0f} MB"
            reason = f"it needs more than {most} of memory; reduce it, or raise MESHSEEK_ASSET_MEMORY"
            return Outcome(asset_id=task.asset_id, skipped=reason)
        finally:
            self._idle.put(worker)

    def _started(self) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise ServiceError("the work was ended")
            self._all = {worker for worker in self._all if worker.is_ready}
            worker = WorkerProcess(self._function, self._bounds.bytes_each)
            self._all.add(worker)
        worker.wait_until_ready()
        return worker

    def stop(self) -> None:
        """Kill all processes, whatever they do; the threads that wait for them notice it."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.kill()

    def close(self) -> None:
        """Let go of them, once no thread waits for any."""
        for worker in self._all:
            worker.end()


class _Gate:
    """Lets many through at a time, or one alone."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self._wanting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._wanting)
            self._inside += 1
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._wanting += 1
            self._changed.wait_for(lambda: not self._inside)
            self._inside = 1
        try:
            yield
        finally:
            with self._changed:
                self._wanting -= 1
            self._leave()

    def _leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()


def machine_memory() -> int:
    """Bytes of memory that this process and its children may use: the machine's, or its container's."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(installed, int(_CGROUP.read_text("ascii")))
    except (OSError, ValueError):  # no container, or no bound
        return installed
