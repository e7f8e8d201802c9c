"""No request is kept waiting for longer than agreed."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.deadlines import set_deadline
from meshseek.interfaces.http.failures import RETRY_SECONDS, error_answer

log = logging.getLogger(__name__)


class Deadline:
    """Answers with an error where no answer has begun in time.

    The work is given up: what waits ends, and a thread ends before it next asks the database. An answer that has begun
    is let go on; how slowly a client may take it is the protocol's concern.

    Args:
        app: What is behind it.
        seconds: How long an answer may take to begin.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and wait."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        waits_for_body = False

        async def noted_receive() -> Message:
            nonlocal waits_for_body
            waits_for_body = True
            message = await receive()
            waits_for_body = message["type"] == "http.request" and message.get("more_body", False)
            return message

        set_deadline(self._seconds)
        try:
            async with asyncio.timeout(self._seconds) as timer:

                async def noted_send(message: Message) -> None:
                    timer.reschedule(None)
                    await send(message)

                await self.app(scope, noted_receive, noted_send)
        except TimeoutError:
            if not timer.expired():
                raise
            log.warning("%s %s took longer than %g s", scope["method"], scope["path"], self._seconds)
            await self._answer(waits_for_body=waits_for_body)(scope, receive, send)

    def _answer(self, *, waits_for_body: bool) -> ASGIApp:
        if waits_for_body:
            text = f"the request did not arrive within {self._seconds:g} s; send less, or over a faster line"
            return error_answer(HTTPStatus.REQUEST_TIMEOUT, "too_slow", text)
        text = f"there was no answer within {self._seconds:g} s; ask for less at once, or try again in a moment"
        answer = error_answer(HTTPStatus.SERVICE_UNAVAILABLE, "too_slow", text)
        answer.headers["Retry-After"] = RETRY_SECONDS
        return answer
