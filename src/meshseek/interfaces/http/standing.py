"""Whether a service can answer: asked by one at a time, and told within a bounded time whatever the database does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread
from typing import Final, Literal

READY: Final = "ready"
LOADING: Final = "loading"
Status = Literal["ready", "starting", "stopping", "unavailable"]
States = Mapping[str, str]

log = logging.getLogger(__name__)


class _Asking:
    """One question, and who waits for its answer."""

    def __init__(self) -> None:
        self.answered = Event()
        self.states: States = {}


class Standing:
    """Tells how a service stands. Threads may share it.

    Args:
        ask: Gives the state of each algorithm; it may take as long as a database that does not answer.
    """

    def __init__(self, ask: Callable[[], States]) -> None:
        self.is_stopping = False
        """Whether the process was told to end: it finishes what it took, and nobody should send it more."""
        self._ask = ask
        self._asking: _Asking | None = None
        self._lock = Lock()
        self._told: States = {}

    def states(self, seconds: float) -> States | None:
        """The state of each algorithm; None where it does not come in time.

        Args:
            seconds: To wait at most.
        """
        with self._lock:
            asking = self._asking
            if asking is None:
                asking = _Asking()
                try:
                    Thread(target=self._look, args=(asking,), name="standing", daemon=True).start()
                except RuntimeError:  # the system has no more threads; the next who asks tries again
                    return None
                self._asking = asking
        return asking.states if asking.answered.wait(seconds) else None

    def status(self, seconds: float) -> Status:
        """Whether a request can be answered now.

        Args:
            seconds: To wait at most.
        """
        if self.is_stopping:
            return "stopping"
        states = (self.states(seconds) or {}).values()
        if READY in states:
            return "ready"
        return "starting" if LOADING in states else "unavailable"

    def _look(self, asking: _Asking) -> None:
        try:
            asking.states = self._ask()
            self._tell(asking.states)
        except Exception:
            log.exception("the state of the algorithms cannot be told")
        finally:
            with self._lock:
                self._asking = None
            asking.answered.set()

    def _tell(self, states: States) -> None:
        """Log what has changed, so that the log says since when, and is not full of it."""
        for name, state in states.items():
            if self._told.get(name) != state:
                log.info("'%s' is %s", name, state if state in {READY, LOADING} else f"not ready: {state}")
        self._told = states
