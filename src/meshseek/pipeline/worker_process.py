"""One process that does one task after another, within bounds."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

import psutil

from meshseek.errors import ServiceError
from meshseek.pipeline.stage import Outcome, Task

START_SECONDS: Final = 120.0
"""For a new process to import what it needs, on a busy machine."""
END_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.1
"""How often the memory of a process is looked at: in this time none can fill much more than a few hundred megabytes."""
RESERVED: Final = 4 << 30
"""What a process may reserve beyond what it may take; one that asks for more at once gets nothing."""


class WorkerDied(Exception):  # noqa: N818  # a turn of events, never told
    """The process is gone."""


class WorkerLate(Exception):  # noqa: N818  # likewise
    """The process took too long, and was killed."""


class WorkerProcess:
    """A process that was started a moment ago.

    Args:
        function: What it does with each task; picklable.
        memory: Bytes that it may take.
    """

    def __init__(self, function: Callable[[Any], Outcome], memory: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._memory = memory
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(function, memory, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.is_ready = True
        """Whether it may be given a task."""

    def wait_until_ready(self) -> None:
        """Wait until it has imported what it needs.

        Raises:
            ServiceError: It cannot start.
        """
        try:
            if self._connection.poll(START_SECONDS) and self._connection.recv() is None:
                return
        except (EOFError, OSError):
            pass
        self.end()
        raise ServiceError("a process to work in cannot start; free some memory, or set MESHSEEK_WORKERS=1")

    def do(self, task: Task[Any], seconds: float) -> Outcome:
        """Have a task done.

        Raises:
            WorkerLate: It took longer.
            WorkerDied: The process ended before.
            MemoryError: It needed more memory than it may take.
            Exception: What the function raised.
        """
        try:
            self._connection.send(task)
            self._wait(seconds)
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self.end()
            raise WorkerDied from error
        if isinstance(answer, MemoryError):
            self.end()  # what it still holds would be missing for the next asset
        if isinstance(answer, BaseException):
            raise answer
        outcome: Outcome = answer
        return outcome

    def _wait(self, seconds: float) -> None:
        """Wait for the answer, and look meanwhile at what the process takes.

        What it has reserved says nothing: Embree reserves 1.5 GB for a cube, and crashes where it gets only a part.
        """
        deadline = time.monotonic() + seconds
        while not self._connection.poll(max(0.0, min(LOOK_SECONDS, deadline - time.monotonic()))):
            if self._taken() > self._memory:
                self.end()
                raise MemoryError
            if time.monotonic() >= deadline:
                self.end()
                raise WorkerLate

    def _taken(self) -> int:
        """Bytes of memory that the process has by itself; 0 when it is gone."""
        try:
            facts = psutil.Process(self._process.pid).memory_info()
        except psutil.Error:
            return 0
        return int(facts.rss - getattr(facts, "shared", 0))

    def kill(self) -> None:
        """Kill it; whoever waits for it gets a :class:`WorkerDied`."""
        self._process.kill()

    def end(self) -> None:
        """Kill it and let go of it; nobody else may be waiting for it."""
        self.is_ready = False
        self.kill()
        self._process.join(END_SECONDS)
        self._connection.close()


def _serve(function: Callable[[Any], Outcome], memory: int, connection: Connection) -> None:
    """What the process does: one task after another until the parent is gone."""
    follow_parent()
    _prepare(memory)
    connection.send(None)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            answer: Any = function(task)
        except BaseException as error:  # noqa: BLE001  # told to the parent, which raises it
            error.add_note(traceback.format_exc())  # where it was raised is lost on the way
            answer = error
        connection.send(answer)


def _prepare(memory: int) -> None:
    from meshseek.untrusted.pictures import forget_other_formats  # noqa: PLC0415  # only here

    forget_other_formats()
    with contextlib.suppress(OSError, ValueError):  # some systems bound only in name
        # Data, not addresses: files that are mapped and room that is merely reserved cost nothing.
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        allowed = memory + RESERVED if most == resource.RLIM_INFINITY else min(memory + RESERVED, most)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))


def follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end as soon as the parent is gone, even by kill -9."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
