"""Whether an algorithm can answer, and loading in the background what it needs to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock, Thread
from typing import Literal

from meshseek.errors import BusyError, DatabaseSlowError, EmbedderError, MeshseekError, NotPublishedError
from meshseek.search.query_model import QueryModel
from meshseek.store.read.library import Library
from meshseek.store.read.published import Published

log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 60.0
"""How long a model that could not be loaded is left alone."""


class Readiness:
    """Tells the state of one algorithm without waiting for it. Threads may share it.

    Args:
        name: The algorithm's name.
        library: Its published database.
        model: Its model.
        warm_up: Does what the first query needs; called in a thread of its own, one at a time.
    """

    def __init__(self, name: str, library: Library, model: QueryModel, warm_up: Callable[[], None]) -> None:
        self._name = name
        self._library = library
        self._model = model
        self._do_warm_up = warm_up
        self._warming = Lock()
        self._failure: tuple[MeshseekError, str, float] | None = None
        """Why it cannot answer, of which content, and since when."""
        self._known: Published | None = None
        """What was published when it was last asked for its health; a service that is merely busy still has that."""

    def warm_up(self) -> None:
        """Load in the background what the first query needs, so that it is as fast as the others."""
        if not self._warming.acquire(blocking=False):
            return
        try:
            Thread(target=self._warm_up, name=f"warm up {self._name}", daemon=True).start()
        except RuntimeError:  # the system has no more threads; the next who asks for the health tries again
            self._warming.release()
            log.warning("'%s' cannot be loaded now: the system has no more threads", self._name)

    def _warm_up(self) -> None:
        content = ""
        try:
            content = self._library.published().content
            self._do_warm_up()
            self._failure = None
        except (BusyError, DatabaseSlowError):  # no failure: the next who asks for the health tries again
            self._failure = None
        except MeshseekError as error:
            level = logging.INFO if isinstance(error, NotPublishedError) else logging.WARNING
            log.log(level, "'%s' cannot answer: %s", self._name, error)
            self._failure = (error, content, time.monotonic())
        except Exception:
            log.exception("the model of '%s' cannot be loaded", self._name)
            unknown = EmbedderError("the model cannot be loaded; the server's log says why")
            self._failure = (unknown, content, time.monotonic())
        finally:
            self._warming.release()

    def health(self, *, general: bool = False) -> str:
        """``ready``, ``loading``, or why queries cannot be answered; what is not loaded begins to load.

        Args:
            general: Say why without addresses and paths.
        """
        state = self._state()
        if isinstance(state, str):
            return state
        return state.in_general if general else str(state)

    def _state(self) -> MeshseekError | Literal["ready", "loading"]:
        try:
            self._known = self._library.published()
        except MeshseekError as error:
            if not isinstance(error, BusyError | DatabaseSlowError) or self._known is None:
                return error
        published, failure = self._known, self._failure  # looked at once: another thread may be changing it
        if self._model.is_loaded(published.space) and failure is None:
            return "ready"
        if failure is not None:
            reason, content, since = failure
            if content == published.content and time.monotonic() - since < TRY_AGAIN_SECONDS:
                return reason
        self.warm_up()
        return failure[0] if failure else "loading"
