"""How many searches run and wait at a time; the next one is told to come back rather than kept waiting for long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import BoundedSemaphore, Lock

from meshseek.deadlines import TOO_SLOW, seconds_left
from meshseek.errors import BusyError, TooSlowError
from meshseek.spans import WAIT, Span

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
        self._counting = Lock()
        self.admitted_now = 0
        """How many are inside or wait."""
        self.running_now = 0
        """How many are inside."""
        self.refused = 0
        """How many were turned away so far."""

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Wait for a turn.

        Raises:
            BusyError: Too many wait already, or the turn did not come in time.
            TooSlowError: Nobody waits any longer for what would come of it.
        """
        if not self._places.acquire(blocking=False):
            self._count(refused=1)
            raise BusyError("too many searches at once; try again in a second")
        self._count(admitted=1)
        try:
            with Span(WAIT):
                self._take_turn()
            self._count(running=1)
            try:
                yield
            finally:
                self._count(running=-1)
                self._running.release()
        finally:
            self._count(admitted=-1)
            self._places.release()

    def _take_turn(self) -> None:
        left = seconds_left()
        patience = WAIT_SECONDS if left is None else min(left, WAIT_SECONDS)
        if self._running.acquire(timeout=patience):
            return
        if patience == left:
            raise TooSlowError(TOO_SLOW)
        self._count(refused=1)
        raise BusyError("the searches before this one take too long; try again in a second")

    def _count(self, *, admitted: int = 0, running: int = 0, refused: int = 0) -> None:
        with self._counting:
            self.refused += refused
            self.admitted_now += admitted
            self.running_now += running


@contextmanager
def all_admitted(doors: Mapping[str, Admission]) -> Iterator[None]:
    """Wait for a turn at several doors, in the order of their names, so that no two searches wait for each other.

    Raises:
        BusyError: See :meth:`Admission.admitted`.
        TooSlowError: Likewise.
    """
    with ExitStack() as inside:
        for name in sorted(doors):
            inside.enter_context(doors[name].admitted())
        yield
