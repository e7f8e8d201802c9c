"""A server that stops in order: it says that it is not ready, refuses what is new, and finishes what it took."""

from __future__ import annotations

import logging
import os
import signal
import time
from socket import socket
from threading import Timer
from types import FrameType
from typing import Final

import uvicorn

from meshseek.interfaces.http.standing import Standing

CLOSING_SECONDS: Final = 10.0
"""For what comes after the last request, such as closing connections to the database."""
UNFINISHED: Final = 1
"""Exit status of a process that had to leave something unfinished; otherwise it is 0."""

log = logging.getLogger(__name__)


class StoppingServer(uvicorn.Server):
    """Ends well on SIGTERM; a second one, or Ctrl-C, leaves out the time in which it is only not ready.

    Args:
        config: Of uvicorn.
        standing: Is told that the service stops.
        drain_seconds: How long requests are still taken, so that whoever shares them out sees that it is not ready.
        stop_seconds: How long those that were taken may last after that.
    """

    def __init__(
        self, config: uvicorn.Config, standing: Standing, *, drain_seconds: float, stop_seconds: float
    ) -> None:
        config.timeout_graceful_shutdown = max(1, round(stop_seconds))
        super().__init__(config)
        self._standing = standing
        self._drain_seconds = drain_seconds
        self._stop_seconds = stop_seconds
        self._stop_at: float | None = None
        self._has_told = False
        self.has_left = False
        """Whether something had to be left unfinished."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._standing.is_stopping = True
        if sig != signal.SIGTERM:
            super().handle_exit(sig, frame)
        elif self._stop_at is None:
            self._stop_at = time.monotonic() + self._drain_seconds
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Stop when it is time to."""
        if self._stop_at is not None:
            if not self._has_told:
                self._has_told = True
                log.info("told to stop: not ready from now on, and no more requests in %g s", self._drain_seconds)
            if time.monotonic() >= self._stop_at:
                self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Finish what was taken; where that takes too long, end without it."""
        if self.server_state.tasks:
            log.info("finishing %d requests, for %g s at most", len(self.server_state.tasks), self._stop_seconds)
        # A thread cannot be interrupted, and Python waits for all: without this a search that hangs would keep it.
        last = Timer(self._stop_seconds + CLOSING_SECONDS, _give_up)
        last.daemon = True
        last.start()
        started = time.monotonic()
        await super().shutdown(sockets)
        self.has_left = time.monotonic() - started >= self._stop_seconds
        if not self.has_left:
            last.cancel()


def _give_up() -> None:
    log.error("something is still not finished; the process ends without it")
    logging.shutdown()
    os._exit(UNFINISHED)
