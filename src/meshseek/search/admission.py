"""How many searches run and wait at a time; the next one is told to come back rather than kept waiting for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from meshseek.errors import BusyError

WAIT_SECONDS = 10.0
"""How long one waits at the door: what runs may hang for a while, and none of those who wait does so for ever."""


class Admission:
    """A door that lets a few in at a time. Threads may share it.

    Args:
        running: How many may be inside.
        waiting: How many may wait at the door.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._places = BoundedSemaphore(running + waiting)
        self._running = BoundedSemaphore(running)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Wait for a turn.

        Raises:
            BusyError: Too many wait already, or the turn did not come in time.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("too many searches at once; try again in a second")
        try:
            if not self._running.acquire(timeout=WAIT_SECONDS):
                raise BusyError("the searches before this one take too long; try again in a second")
            try:
                yield
            finally:
                self._running.release()
        finally:
            self._places.release()
