"""A connection that does not wait for ever."""

from __future__ import annotations

import time
from typing import Any

import psycopg


class BoundedConnection(psycopg.Connection[Any]):
    """Gives up, and closes, where the server says nothing for too long; a server that is stopped would never answer."""

    patience: float | None = None
    """Seconds that an answer is waited for; None waits."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """As the driver does, in bounded time.

        Raises:
            psycopg.OperationalError: The server said nothing.
        """
        began = time.monotonic()
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.patience is None or time.monotonic() - began < self.patience:
                raise
            self.close()
            raise psycopg.OperationalError(f"it said nothing for {self.patience:.0f} s") from error
