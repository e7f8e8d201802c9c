"""What a service knows of the work that its workspace has still to do: looked up in the background, and remembered."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from functools import partial
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.outdated import is_outdated

if TYPE_CHECKING:
    from meshseek.pipeline.overview import Overview

REMEMBERED_SECONDS: Final = 60.0
"""Whoever asks more often hears the same."""
log = logging.getLogger(__name__)


class WorkLeft:
    """Looks when somebody asks, one at a time. Threads may share it.

    Args:
        look: Looks a workspace through; it may take seconds.
    """

    def __init__(self, look: Callable[[], Overview]) -> None:
        self._look = look
        self._lock = Lock()
        self._looking: Event | None = None
        self._known: Overview | None = None
        self._looked_at = -math.inf

    def told(self, seconds: float) -> Overview | None:
        """What was last seen; where nothing was yet, and it takes longer than so many seconds, None."""
        with self._lock:
            is_old = time.monotonic() - self._looked_at > REMEMBERED_SECONDS
            if is_old and self._looking is None:
                self._begin()
            looking = self._looking
        if self._known is None and looking is not None:
            looking.wait(seconds)
        return self._known

    def _begin(self) -> None:
        looking = Event()
        try:
            Thread(target=self._do_look, args=(looking,), name="work left", daemon=True).start()
        except RuntimeError:  # the system has no more threads; the next who asks tries again
            return
        self._looking = looking

    def _do_look(self, looking: Event) -> None:
        try:
            self._known = self._look()
        except Exception:
            log.exception("the work that is left cannot be told")
        finally:
            with self._lock:
                self._looked_at = time.monotonic()
                self._looking = None
            looking.set()


def work_left_of(meshseek: Meshseek) -> WorkLeft:
    """Of a workspace and what is published of it."""

    def look() -> Overview:
        from meshseek.pipeline.overview import overview  # noqa: PLC0415  # searches need no pipeline

        return overview(meshseek.workspace, partial(is_outdated, meshseek))

    return WorkLeft(look)
