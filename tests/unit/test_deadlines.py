"""No request waits for longer than agreed, and no thread works for long for nobody."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.deadlines import check_deadline, seconds_left, set_deadline
from meshseek.errors import TooSlowError
from meshseek.interfaces.http.deadline import Deadline
from meshseek.search.admission import Admission
from meshseek.store.postgres import Server
from meshseek.store.queries import query
from meshseek.store.read.reader import Reader

SOON = 0.05


def ask(app: ASGIApp, seconds: float) -> httpx.Response:
    """What an application answers that has so long."""

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(Deadline(app, seconds)), base_url="http://x") as api:
            return await api.get("/")

    return asyncio.run(asked())


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """Never answers."""
    await asyncio.Event().wait()


def test_who_waits_too_long_is_told_so() -> None:
    """With the time after which to try again; what was waited for is given up."""
    answer = ask(slow, SOON)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["error"]["code"] == "too_slow"
    assert ask(PlainTextResponse("done"), 60).text == "done"


def test_an_answer_that_has_begun_goes_on() -> None:
    """However long it is: a large model over a slow line is no failure."""

    async def parts() -> Any:
        yield b"a"
        await asyncio.sleep(3 * SOON)
        yield b"b"

    assert ask(StreamingResponse(parts()), SOON).text == "ab"


def test_a_failure_of_what_is_behind_stays_that_failure() -> None:
    """Also where it is called a timeout."""

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        ask(failing, 60)


def test_a_body_that_does_not_arrive_is_the_callers_concern() -> None:
    """It is told apart from an answer that does not come."""
    sent: list[Message] = []

    async def receive() -> Message:
        if waited:
            await asyncio.Event().wait()
        waited.append(1)
        return {"type": "http.request", "body": b"a", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass

    waited: list[int] = []
    asyncio.run(Deadline(reading, SOON)({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send))
    assert sent[0]["status"] == 408
    assert b"too_slow" in sent[1]["body"]


def test_a_thread_stops_soon_after_nobody_waits() -> None:
    """The answer does not wait for the thread, and the thread learns of it where it next asks."""
    ended, learnt = threading.Event(), []

    def work() -> None:
        try:
            while (seconds_left() or 0) > 0:
                ended.wait(0.01)
            check_deadline()
        except TooSlowError as error:
            learnt.append(error)
        finally:
            ended.set()

    async def working(scope: Scope, receive: Receive, send: Send) -> None:
        await run_in_threadpool(work)

    assert ask(working, SOON).status_code == 503
    assert ended.wait(10)
    assert len(learnt) == 1


def late() -> None:
    """Nobody waits any longer."""
    set_deadline(-1)


def test_there_is_no_hurry_where_nobody_asked() -> None:
    """Commands and stages take the time that they need."""
    assert seconds_left() is None
    check_deadline()


def in_thread_of_its_own(work: Any) -> None:
    """Run in a context of its own, whose deadline is no other test's."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised again
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for failure in failures:
        raise failure


def test_nothing_is_asked_of_the_database_for_nobody() -> None:
    """Not even a connection is opened."""

    def nowhere() -> str:
        raise AssertionError("a connection was opened")

    def work() -> None:
        late()
        Reader(Server(nowhere), "lite").rows(query("schema_version"), {})

    with pytest.raises(TooSlowError, match=r"^it took too long; [^\n]+$"):
        in_thread_of_its_own(work)


def test_nobody_is_kept_at_the_door() -> None:
    """Who still waits for a turn when nobody waits for them leaves, and gives up the place."""
    door = Admission(running=1, waiting=1)

    def work() -> None:
        set_deadline(SOON)
        with door.admitted():
            raise AssertionError("there was no room")

    with door.admitted():
        for _ in range(3):
            with pytest.raises(TooSlowError):
                in_thread_of_its_own(work)
    assert (door._places._value, door._running._value) == (2, 1)
