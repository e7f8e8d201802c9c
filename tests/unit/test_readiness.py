"""What a service says of itself when the system has no thread left for it."""

from __future__ import annotations

import time
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from meshseek.errors import EmbedderError
from meshseek.interfaces.http.standing import Standing
from meshseek.search.readiness import Readiness

SECONDS = 10.0


@pytest.fixture
def no_more_threads(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """None can be started, until this is undone."""

    def start(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)
    return monkeypatch


def readiness(warm_up: Any = lambda: None) -> Readiness:
    """Of an algorithm that is published, and whose model is not loaded."""
    library: Any = SimpleNamespace(published=lambda: SimpleNamespace(content="a", space=None))
    model: Any = SimpleNamespace(is_loaded=lambda _: False)
    return Readiness("toy", library, model, warm_up)


def test_a_service_that_finds_no_thread_is_asked_again(no_more_threads: pytest.MonkeyPatch) -> None:
    """It would otherwise not be ready until it is started again."""
    standing = Standing(lambda: {"toy": "ready"})
    assert standing.status(SECONDS) == "unavailable"
    no_more_threads.undo()
    assert standing.status(SECONDS) == "ready"


def test_a_model_that_finds_no_thread_is_loaded_later(no_more_threads: pytest.MonkeyPatch) -> None:
    """It would otherwise be told as loading for ever."""
    warmed = Event()
    of_toy = readiness(warmed.set)
    assert of_toy.health() == "loading"
    no_more_threads.undo()
    of_toy.health()
    assert warmed.wait(SECONDS)


def test_a_failure_that_passes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that loads may take it back just when somebody asks."""
    failure = (EmbedderError("it is too large"), "a", time.monotonic())
    seen = iter([failure])
    monkeypatch.setattr(Readiness, "_failure", property(lambda _: next(seen, None), lambda *_: None), raising=False)
    assert readiness().health(general=True) in {failure[0].in_general, "loading"}
