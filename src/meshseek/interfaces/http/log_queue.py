"""Lets a thread of its own write the log, so that whoever reads it slowly, or not at all, keeps no request waiting."""

from __future__ import annotations

import logging
from queue import Full, Queue
from threading import Thread
from typing import Final

MOST_WAITING: Final = 10_000
"""Records that wait to be written; more are left out and counted."""
FLUSH_SECONDS: Final = 2.0
"""How long the last ones may take to be written at the end."""


class PatientHandler(logging.Handler):
    """Hands records to a thread that gives them to another handler.

    Args:
        target: Writes them.
        most: How many may wait.
    """

    def __init__(self, target: logging.Handler, most: int = MOST_WAITING) -> None:
        super().__init__()
        self._target = target
        self._waiting: Queue[logging.LogRecord | None] = Queue(most)
        self._left_out = 0
        Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put a record at the end of the queue, or leave it out."""
        try:
            self._waiting.put_nowait(record)
        except Full:
            self._left_out += 1

    def flush(self) -> None:
        """Wait until all is written, though not for long."""
        with self._waiting.all_tasks_done:
            self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, FLUSH_SECONDS)

    def close(self) -> None:
        """Write what waits, and end."""
        self.flush()
        if not self._waiting.unfinished_tasks:
            self._waiting.put(None)
            self._waiting.join()
            self._target.close()
        super().close()

    def _write(self) -> None:
        record = self._waiting.get()
        while record is not None:
            self._target.handle(record)
            if self._left_out:
                count, self._left_out = self._left_out, 0
                self._target.handle(_said(f"{count} records were left out: who reads the log was too slow"))
            self._waiting.task_done()
            record = self._waiting.get()
        self._waiting.task_done()


def _said(message: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, None, None)
